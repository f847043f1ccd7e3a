"""`memoryd serve --stdio` and what clients should not send: each costs itself only, and writes nothing elsewhere."""

import json
import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from interfaces.rpc.lines import LINE_BYTES_MAX
from interfaces.rpc.messages import ID_MAX, ID_MIN
from tests.fakes.codex_home import CodexHome
from tests.fakes.command import Memoryd
from tests.fakes.rpc_client import HELLO, SECONDS_MAX
from tests.properties.profiles import examples

THREAD = "019d0000-0000-7000-8000-000000000001"
LAST = {"id": "last", "method": "thread/loaded/list", "params": {}}
METHODS_WITH_THREAD = (
    "thread/read",
    "thread/metadata/update",
    "thread/name/set",
    "thread/memoryMode/set",
    "thread/archive",
    "thread/unarchive",
    "thread/delete",
    "thread/resume",
    "thread/fork",
    "thread/turns/list",
    "turn/start",
    "turn/interrupt",
)
DEEP = 100_000


def _line(message: Any) -> bytes:
    return json.dumps(message).encode() + b"\n"


def talk(memoryd: Memoryd, *lines: bytes) -> list[dict[str, Any]]:
    """Send lines to a service of its own after the handshake, end its input, and return all that it said.

    It must answer the last request, end with 0, and say nothing on stdout but lines of JSON.
    """
    data = _line(HELLO) + b"".join(lines) + b"\n" + _line(LAST)
    ended = subprocess.run(
        memoryd.arguments("serve", "--stdio"),
        env=memoryd.environment(),
        input=data,
        capture_output=True,
        timeout=2 * SECONDS_MAX,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr.decode()
    assert b"Traceback" not in ended.stderr, ended.stderr.decode()
    messages: list[dict[str, Any]] = [json.loads(line) for line in ended.stdout.splitlines()]
    assert {"id": "last", "result": {"data": [], "nextCursor": None}} in messages
    return [message for message in messages if message.get("id") not in ("hello", "last")]


@pytest.fixture
def thread(home: CodexHome, memoryd: Memoryd) -> Path:
    """A stored thread's rollout; the folder of the person who runs the service is there too."""
    memoryd.environment()
    rollout = home.session(thread_id=THREAD)
    rollout.user("Please repair the till.")
    return rollout.path


@contextmanager
def nothing_else_written(root: Path, *, but: Path) -> Iterator[None]:
    """Every file below `root` is as it was after the block, except below `but`."""
    before = _tree(root, but)
    yield
    assert _tree(root, but) == before


def _tree(root: Path, but: Path) -> dict[str, tuple[int, bytes]]:
    return {
        str(path.relative_to(root)): (path.stat().st_mode, path.read_bytes() if path.is_file() else b"")
        for path in sorted(root.rglob("*"))
        if but not in (path, *path.parents)
    }


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
    between = [_line({**LAST, "id": number}) for number in range(len(NO_REQUESTS))]
    lines = [line + b"\n" + after for line, after in zip(NO_REQUESTS, between, strict=True)]

    assert sorted(answer["id"] for answer in talk(memoryd, *lines)) == list(range(len(NO_REQUESTS)))


WRONG_REQUESTS = (
    (b'{"id":1,"method":"no/such/method","params":{}}', "Invalid request: unknown variant `no/such/method`"),
    (b'{"id":1,"method":"","params":{}}', "Invalid request: unknown variant ``"),
    (b'{"id":1,"method":"thread/read"}', "Invalid request: missing field `params`"),
    (b'{"id":1,"method":"thread/read","params":null}', "Invalid request: missing field `params`"),
    (b'{"id":1,"method":"thread/read","params":"x"}', "Invalid request: invalid type: string"),
    (b'{"id":1,"method":"thread/read","params":{"threadId":[]}}', "Invalid request: invalid type: sequence"),
    (b'{"id":1,"method":"thread/loaded/list","params":{"limit":1e999}}', ""),
    (b'{"id":1,"method":"thread/read","params":{"threadId":"\\ud800"}}', ""),
    (b'{"id":1,"method":"thread/read","params":{"threadId":"\\u0000"}}', "invalid thread id: "),
    (b'{"id":1,"method":"initialize","params":{"clientInfo":{"name":"x","version":"1"}}}', "Already initialized"),
)
"""Each with the beginning of the words, which are the message of an invalid request; "" where any error will do."""


def test_a_wrong_request_is_refused_in_words(memoryd: Memoryd) -> None:
    lines = [line.replace(b'"id":1', b'"id":%d' % number) for number, (line, _) in enumerate(WRONG_REQUESTS)]
    answers = {answer["id"]: answer for answer in talk(memoryd, *(line + b"\n" for line in lines))}

    for number, (_, words) in enumerate(WRONG_REQUESTS):
        if words:
            assert answers[number]["error"]["code"] == -32600
            assert answers[number]["error"]["message"].startswith(words)
    assert all("error" in answer for answer in answers.values())


def test_deep_parameters_are_refused_or_passed_over(memoryd: Memoryd) -> None:
    for nested in (b"[" * 500 + b"]" * 500, b"[" * DEEP + b"]" * DEEP):
        line = b'{"id":1,"method":"thread/read","params":{"threadId":' + nested + b"}}\n"
        assert all("error" in answer for answer in talk(memoryd, line))


def test_a_line_beyond_the_bound_is_dropped_and_the_next_one_answered(memoryd: Memoryd) -> None:
    long = b'{"id":1,"method":"thread/read","params":{"threadId":"' + b"x" * (LINE_BYTES_MAX + 1) + b'"}}\n'
    (answer,) = talk(memoryd, long, _line({"id": 2, "method": "thread/read", "params": {"threadId": "x" * 2**20}}))

    assert answer["id"] == 2
    assert answer["error"]["message"].startswith("invalid thread id: ")


def test_ids_that_look_like_paths_reach_no_file(memoryd: Memoryd, thread: Path, tmp_path: Path) -> None:
    secret = tmp_path / "secret.jsonl"
    secret.write_bytes(thread.read_bytes())
    looks = ("../../secret", "/etc/passwd", str(thread), str(secret), f"{THREAD}/../x", f"../{THREAD}", "~", "")
    bad = (*looks, "*", "\0", f"{THREAD}\0", f" {THREAD}", f"{THREAD} ", "-" * 36, "0" * 31, "x" * 10_000)
    more = {"gitInfo": {"branch": "x"}, "name": "x", "mode": "disabled", "input": [], "turnId": "x"}
    calls = [(method, {"threadId": text, **more}) for method in METHODS_WITH_THREAD for text in bad]
    with nothing_else_written(tmp_path, but=memoryd.state_dir):
        answers = talk(memoryd, *(_line({"id": n, "method": m, "params": p}) for n, (m, p) in enumerate(calls)))
    assert sorted(answer["id"] for answer in answers) == list(range(len(calls)))
    assert all("error" in answer for answer in answers)


WRONG: tuple[Any, ...] = (None, 5, -1, 1.5, True, "x", [], {}, [[]], {"x": {}}, 2**70)


def test_wrong_types_everywhere_are_refused_or_ignored_and_change_nothing(
    memoryd: Memoryd, thread: Path, tmp_path: Path
) -> None:
    members = ("threadId", "limit", "cursor", "sortKey", "sortDirection", "archived", "cwd", "modelProviders",
               "sourceKinds", "searchTerm", "useStateDbOnly", "parentThreadId", "includeTurns", "clientInfo",
               "capabilities", "excludedThreadIds", "originators")  # fmt: skip
    methods = (*METHODS_WITH_THREAD, "thread/list", "thread/loaded/list")
    calls: list[tuple[str, Any]] = []
    for wrong in WRONG:
        calls += [("thread/list", {member: wrong}) for member in members]
        calls += [("thread/read", {"threadId": THREAD, "includeTurns": wrong})]
        calls += [(method, wrong) for method in methods]
        calls += [(method, {"threadId": wrong}) for method in METHODS_WITH_THREAD]
    with nothing_else_written(tmp_path, but=memoryd.state_dir):
        answers = talk(memoryd, *(_line({"id": n, "method": m, "params": p}) for n, (m, p) in enumerate(calls)))
    assert len({answer["id"] for answer in answers}) == len(calls)


def test_requests_under_way_are_answered_when_the_input_ends(memoryd: Memoryd, thread: Path) -> None:
    requests = [{"id": number, "method": "thread/read", "params": {"threadId": THREAD}} for number in range(100)]

    assert {answer["id"] for answer in talk(memoryd, *map(_line, requests))} == set(range(100))


def test_a_last_line_without_its_end_is_answered_too(memoryd: Memoryd) -> None:
    ended = subprocess.run(
        memoryd.arguments("serve", "--stdio"),
        env=memoryd.environment(),
        input=_line(HELLO) + _line(LAST).rstrip(b"\n"),
        capture_output=True,
        timeout=SECONDS_MAX,
        check=False,
    )
    assert ended.returncode == 0
    assert json.loads(ended.stdout.splitlines()[-1])["id"] == "last"


def test_no_input_at_all_ends_well(memoryd: Memoryd) -> None:
    ended = subprocess.run(
        memoryd.arguments("serve", "--stdio"),
        env=memoryd.environment(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=SECONDS_MAX,
        check=False,
    )
    assert (ended.returncode, ended.stdout) == (0, b"")


def test_a_pipe_that_closes_in_mid_answer_ends_the_service_without_a_crash(memoryd: Memoryd, thread: Path) -> None:
    with memoryd.serving_stdio(stderr=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdin.write(_line(HELLO))
        process.stdin.flush()
        process.stdout.read(10)
        process.stdout.close()
        with suppress(BrokenPipeError):  # it may be gone already
            for number in range(2_000):
                process.stdin.write(_line({"id": number, "method": "thread/read", "params": {"threadId": THREAD}}))
        with suppress(BrokenPipeError):
            process.stdin.close()
        said = process.stderr.read()
        assert process.wait(SECONDS_MAX) in (0, 1)
    assert b"Traceback" not in said


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_the_service_with_its_input_still_open(memoryd: Memoryd, number: signal.Signals) -> None:
    with memoryd.serving_stdio(stderr=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdin.write(_line(HELLO))
        process.stdin.flush()
        process.stdout.readline()
        process.send_signal(number)
        assert process.wait(SECONDS_MAX) == 0
        assert b"Traceback" not in process.stderr.read()


def test_requests_before_the_handshake_are_refused_and_change_nothing(
    memoryd: Memoryd, thread: Path, tmp_path: Path
) -> None:
    calls = [
        ("thread/metadata/update", {"threadId": THREAD, "gitInfo": {"branch": "x"}}),
        ("thread/archive", {"threadId": THREAD}),
        ("thread/delete", {"threadId": THREAD}),
        ("thread/list", {}),
    ]
    with nothing_else_written(tmp_path, but=memoryd.state_dir):
        ended = subprocess.run(
            memoryd.arguments("serve", "--stdio"),
            env=memoryd.environment(),
            input=b"".join(_line({"id": n, "method": m, "params": p}) for n, (m, p) in enumerate(calls)),
            capture_output=True,
            timeout=SECONDS_MAX,
            check=False,
        )
    answers = {json.loads(line)["id"]: json.loads(line) for line in ended.stdout.splitlines()}
    assert [answers[n]["error"]["message"] for n in range(len(calls))] == ["Not initialized"] * len(calls)


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
            process.stdin.write(_line(HELLO))
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
    fuzzed.stdin.write(b"".join(pieces) + b"\n" + _line(request))
    fuzzed.stdin.flush()
    while True:
        line = fuzzed.stdout.readline()
        assert line, "the service ended"
        message = json.loads(line)
        if message.get("id") == request["id"]:
            break
    assert message["result"] == {"data": [], "nextCursor": None}
