"""How `memoryd serve --stdio` ends: its input does, a pipe closes, a signal comes. What was asked is answered."""

import json
import signal
import subprocess
from contextlib import suppress
from pathlib import Path

import pytest

from tests.fakes.command import Memoryd
from tests.fakes.rude_client import HELLO, LAST, THREAD, line_of, talk
from tests.fakes.serve_process import SECONDS_MAX


def test_requests_under_way_are_answered_when_the_input_ends(memoryd: Memoryd, thread: Path) -> None:
    requests = [{"id": number, "method": "thread/read", "params": {"threadId": THREAD}} for number in range(100)]

    assert {answer["id"] for answer in talk(memoryd, *map(line_of, requests))} == set(range(100))


def test_a_last_line_without_its_end_is_answered_too(memoryd: Memoryd) -> None:
    ended = subprocess.run(
        memoryd.arguments("serve", "--stdio"),
        env=memoryd.environment(),
        input=line_of(HELLO) + line_of(LAST).rstrip(b"\n"),
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
        process.stdin.write(line_of(HELLO))
        process.stdin.flush()
        process.stdout.read(10)
        process.stdout.close()
        with suppress(BrokenPipeError):  # it may be gone already
            for number in range(2_000):
                process.stdin.write(line_of({"id": number, "method": "thread/read", "params": {"threadId": THREAD}}))
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
        process.stdin.write(line_of(HELLO))
        process.stdin.flush()
        process.stdout.readline()
        process.send_signal(number)
        assert process.wait(SECONDS_MAX) == 0
        assert b"Traceback" not in process.stderr.read()
