"""However a last line was torn, what stood before it stands, and the next line is whole."""

import tempfile
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from state.rollouts.append import RolloutAppender

PATH = "sessions/rollout-2026-11-20T09-00-00-01990000-0000-7000-8000-000000000001.jsonl"

LINES = st.lists(st.binary(min_size=1, max_size=40).map(lambda line: line.replace(b"\n", b"_")), min_size=1, max_size=4)


@given(lines=LINES, new=LINES, data=st.data())
def test_line_behind_any_cut_is_whole_and_what_was_there_is_unchanged(
    lines: list[bytes], new: list[bytes], data: st.DataObject
) -> None:
    text = b"".join(line + b"\n" for line in lines)
    kept = text[: data.draw(st.integers(len(text) - len(lines[-1]) - 1, len(text)), label="cut")]
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        (home / "sessions").mkdir()
        (home / PATH).write_bytes(kept)
        for line in new:
            with RolloutAppender(home, PATH) as file:
                file.append(line)
        found = (home / PATH).read_bytes()

    assert found.startswith(kept)
    tail = kept.rpartition(b"\n")[2]
    assert found.split(b"\n") == [*lines[: kept.count(b"\n")], *([tail] if tail else []), *new, b""]
