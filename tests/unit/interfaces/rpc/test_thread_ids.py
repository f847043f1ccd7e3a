"""An id is accepted in all its spellings, and what is none is refused with the place where it goes wrong."""

import pytest

from interfaces.rpc.errors import RpcError
from interfaces.rpc.thread_ids import thread_id

CANONICAL = "01a00000-0000-7000-8000-000000000001"
CHARACTER = "invalid character: expected an optional prefix of `urn:uuid:` followed by [0-9a-fA-F-], found"


@pytest.mark.parametrize(
    "spelling",
    [CANONICAL, CANONICAL.upper(), CANONICAL.replace("-", ""), f"urn:uuid:{CANONICAL}", f"{{{CANONICAL}}}"],
)
def test_every_spelling_means_the_same_thread(spelling: str) -> None:
    assert thread_id(spelling) == CANONICAL


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        ("", "invalid length: expected length 32 for simple format, found 0"),
        ("not-a-uuid", f"{CHARACTER} `n` at 1"),
        ("../../etc/passwd", f"{CHARACTER} `.` at 1"),
        ("é", f"{CHARACTER} `é` at 1"),
        (CANONICAL[:-1] + "g", f"{CHARACTER} `g` at 36"),
        (CANONICAL + "0", "invalid group length in group 4: expected 12, found 13"),
        ("01a000000000-7000-8000-000000000001", "invalid group count: expected 5, found 4"),
        (f"urn:uuid:{CANONICAL[:-1]}g", f"{CHARACTER} `g` at 45"),
    ],
)
def test_what_is_no_id_is_refused_with_its_reason(wrong: str, reason: str) -> None:
    with pytest.raises(RpcError) as refusal:
        thread_id(wrong)
    assert str(refusal.value) == f"invalid thread id: {reason}"
