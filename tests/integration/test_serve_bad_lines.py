"""`memoryd serve --stdio` and lines that are no requests: each costs itself only."""

import json
import os
import signal
import subprocess
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from interfaces.rpc.lines import LINE_BYTES_MAX
from interfaces.rpc.messages import ID_MAX, ID_MIN
from tests.fakes.codex_home import CodexHome
from tests.fakes.command import Memoryd
from tests.fakes.rude_client import HELLO, LAST, line_of, nothing_else_written, talk
from tests.fakes.serve_process import SECONDS_MAX
from tests.properties.profiles import examples

THREAD = "019d0000-0000-7000-8000-000000000001"
DEEP = 100_000

NO_REQUESTS = (
    b"this is not json",
    b"{",
    b'{"id":1,"method":"thread/read","params":{}',
    b"\xff\xfe\xff",
    b'{"id":1,"method":"thread/read\xff","params":{}}',
    b"\x00" * 100,
    b"\xef\xbb\xbf{}",
    b"[]",
    b'"text"',
    b"5",
    b"null",
    b"NaN",
    b"{}",
    b'{"id":1}',
    b'{"id":1,"method":5}',
    b'{"id":1,"method":null}',
    b'{"id":1,"result":{}}',
    b'{"id":1,"error":{"code":1,"message":"x"}}',
    b'{"id":null,"method":"thread/read","params":{}}',
    b'{"id":1.5,"method":"thread/read","params":{}}',
    b'{"id":{},"method":"thread/read","params":{}}',
    b'{"id":true,"method":"thread/read","params":{}}',
    f'{{"id":{ID_MAX + 1},"method":"thread/read","params":{{}}}}'.encode(),
    f'{{"id":{ID_MIN - 1},"method":"thread/read","params":{{}}}}'.encode(),
    b'[{"id":1,"method":"thread/read","params":{}}]',
    b'{"method":"no/such/notification","params":{}}',
    b'{"method":"initialized","params":[5]}',
    b"[" * DEEP,
    b"[" * DEEP + b"]" * DEEP,
    b'{"id":1,"x":' + b'{"a":' * DEEP + b"1" + b"}" * DEEP + b"}",
    b'{"id":1,"method":"thread/read","params":{"threadId":"\\ud800"}}',
    b"\r",
    b"\r\n\r\n",
    b" \t ",
)


def test_what_is_no_request_is_passed_over(memoryd: Memoryd) -> None:
    between = [line_of({**LAST, "id": number}) for number in range(len(NO_REQUESTS))]
    lines = [line + b"\n" + after for line, after in zip(NO_REQUESTS, between, strict=True)]

    assert sorted(answer["id"] for answer in talk(memoryd, *lines)) == list(range(len(NO_REQUESTS)))


def test_deep_parameters_are_refused_or_passed_over(memoryd: Memoryd) -> None:
    for nested in (b"[" * 500 + b"]" * 500, b"[" * DEEP + b"]" * DEEP):
        line = b'{"id":1,"method":"thread/read","params":{"threadId":' + nested + b"}}\n"
        assert all("error" in answer for answer in talk(memoryd, line))


def test_a_line_beyond_the_bound_is_dropped_and_the_next_one_answered(memoryd: Memoryd) -> None:
    long = b'{"id":1,"method":"thread/read","params":{"threadId":"' + b"x" * (LINE_BYTES_MAX + 1) + b'"}}\n'
    (answer,) = talk(memoryd, long, line_of({"id": 2, "method": "thread/read", "params": {"threadId": "x" * 2**20}}))

    assert answer["id"] == 2
    assert answer["error"]["message"].startswith("invalid thread id: ")


SCRAPS = st.sampled_from(
    [
        b'{"id":7,"method":"thread/read","params":{"threadId":"',
        THREAD.encode(),
        b'"}}',
        b'{"id":8,"method":"thread/list","params":{',
        b'"limit":1',
        b"}}",
        b"\n",
        b"\r\n",
        b'"',
        b"\\",
        b"\\u",
        b"[" * 300,
        b"\xff",
        b"\x00",
        b"null",
    ]
)


@pytest.fixture(scope="module")
def fuzzed(tmp_path_factory: pytest.TempPathFactory) -> Iterator["subprocess.Popen[bytes]"]:
    """One service for all examples, which must have lived through them."""
    root = tmp_path_factory.mktemp("fuzz")
    home = CodexHome(path=root / "codex")
    home.path.mkdir()
    home.session(thread_id=THREAD).user("Please repair the till.")
    memoryd = Memoryd(codex_home=home.path, state_dir=root / "state")
    (root / "person").mkdir()
    with (
        nothing_else_written(root, but=memoryd.state_dir),
        subprocess.Popen(
            memoryd.arguments("serve", "--stdio"),
            env=memoryd.environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        ) as process,
    ):
        try:
            assert process.stdin is not None
            process.stdin.write(line_of(HELLO))
            process.stdin.flush()
            yield process
            process.stdin.close()
            assert process.wait(SECONDS_MAX) == 0
        finally:
            if process.poll() is None:
                os.kill(process.pid, signal.SIGKILL)


@examples(60)
@given(st.lists(st.binary(max_size=60) | SCRAPS, max_size=12), st.integers(0, 2**31))
def test_after_any_bytes_the_next_request_is_answered(
    fuzzed: "subprocess.Popen[bytes]", pieces: list[bytes], number: int
) -> None:
    assert fuzzed.stdin is not None
    assert fuzzed.stdout is not None
    request = {"id": f"after {number}", "method": "thread/loaded/list", "params": {}}
    fuzzed.stdin.write(b"".join(pieces) + b"\n" + line_of(request))
    fuzzed.stdin.flush()
    while True:
        line = fuzzed.stdout.readline()
        assert line, "the service ended"
        message = json.loads(line)
        if message.get("id") == request["id"]:
            break
    assert message["result"] == {"data": [], "nextCursor": None}
