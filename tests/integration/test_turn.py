"""`memoryd turn` as real processes against a model server on loopback: what is printed, how it ends, what stays."""

import json
import os
import pty
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.codex_home import CodexHome
from tests.fakes.command import Ended, Memoryd
from tests.fakes.model_answers import Stream
from tests.fakes.model_server import Call, FakeModelServer, Hang, Refuse, Say, fake_model_server

SECONDS_MAX = 60
PROMPT = "Say it"

CONFIG = """\
model = "mock-model"
model_provider = "loopback"

[model_providers.loopback]
name = "Loopback"
base_url = "{url}"
wire_api = "responses"
env_key = "LOOPBACK_KEY"
request_max_retries = 0
stream_max_retries = 0
"""

KEY = "key-of-the-loopback-server"


@pytest.fixture
def model(home: CodexHome) -> Iterator[FakeModelServer]:
    """A model server that the home's configuration names."""
    with fake_model_server() as server:
        (home.path / "config.toml").write_text(CONFIG.format(url=server.url))
        yield server


def environment(memoryd: Memoryd) -> dict[str, str]:
    return memoryd.environment(
        CODEX_HOME=str(memoryd.codex_home), MEMORYD_HOME=str(memoryd.state_dir), LOOPBACK_KEY=KEY
    )


def turn(memoryd: Memoryd, *arguments: str, piped: bytes | None = None) -> Ended:
    ended = subprocess.run(
        command(memoryd, *arguments),
        env=environment(memoryd),
        input=piped,
        stdin=subprocess.DEVNULL if piped is None else None,
        capture_output=True,
        timeout=SECONDS_MAX,
        check=False,
    )
    return Ended(ended.returncode, ended.stdout.decode(), ended.stderr.decode())


def command(memoryd: Memoryd, *arguments: str) -> list[str]:
    # The usual options stand behind the words of a prompt, where they would be words, too.
    return [*memoryd.arguments()[:-4], "turn", *arguments]


@contextmanager
def running(memoryd: Memoryd, *arguments: str) -> Iterator["subprocess.Popen[bytes]"]:
    with subprocess.Popen(
        command(memoryd, *arguments),
        env=environment(memoryd),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        try:
            yield process
        finally:
            if process.poll() is None:
                process.kill()


def lines(ended: Ended) -> list[dict[str, Any]]:
    return [json.loads(line) for line in ended.stdout.splitlines()]


def files_of(home: Path) -> list[str]:
    return sorted(path.name for path in home.rglob("*") if path.is_file())


def test_turn_is_printed_line_by_line_and_leaves_nothing_behind(memoryd: Memoryd, model: FakeModelServer) -> None:
    model.script(PROMPT, Stream(text="A sentence that is longer than one piece of the stream is, by a little."))

    ended = turn(memoryd, *PROMPT.split())

    assert ended.code == 0, ended.stderr
    printed = lines(ended)
    assert [line["method"] for line in printed] == [
        "item/started",
        "item/completed",
        "item/started",
        "item/agentMessage/delta",
        "item/agentMessage/delta",
        "item/completed",
    ]
    assert len({(line["params"]["threadId"], line["params"]["turnId"]) for line in printed}) == 1
    assert printed[-1]["params"]["item"]["text"] == "".join(line["params"].get("delta", "") for line in printed)
    assert files_of(memoryd.codex_home) == ["config.toml"]
    assert model.requests[0]["model"] == "mock-model"
    assert model.headers[0]["authorization"] == f"Bearer {KEY}"


def test_words_behind_the_options_are_the_prompt_whatever_they_look_like(
    memoryd: Memoryd, model: FakeModelServer
) -> None:
    ended = turn(memoryd, "--model", "another", "say", "--model", "--json", "--", "-x")

    assert ended.code == 0, ended.stderr
    assert lines(ended)[0]["params"]["item"]["content"][0]["text"] == "say --model --json -- -x"
    assert model.requests[0]["model"] == "another"


def test_prompt_is_piped_in_where_there_are_no_words(memoryd: Memoryd, model: FakeModelServer) -> None:
    ended = turn(memoryd, piped="  caf\u00e9\r\nau lait\r".encode())

    assert ended.code == 0, ended.stderr
    assert lines(ended)[0]["params"]["item"]["content"][0]["text"] == "  caf\u00e9\nau lait\n"


@pytest.mark.parametrize(
    ("piped", "reason"),
    [
        (b"\n \r\n", "no prompt provided via stdin"),
        (b"\xff", "read prompt from stdin: it is not UTF-8 at byte 0"),
    ],
)
def test_prompt_that_is_none_fails_before_anything_is_asked(
    memoryd: Memoryd, model: FakeModelServer, piped: bytes, reason: str
) -> None:
    ended = turn(memoryd, piped=piped)

    assert (ended.code, ended.stdout) == (1, "")
    assert reason in ended.stderr
    assert model.requests == []


def test_terminal_without_words_is_told_what_to_do(memoryd: Memoryd) -> None:
    ours, theirs = pty.openpty()
    try:
        ended = subprocess.run(
            command(memoryd),
            env=environment(memoryd),
            stdin=theirs,
            capture_output=True,
            text=True,
            timeout=SECONDS_MAX,
            check=False,
        )
    finally:
        os.close(ours)
        os.close(theirs)

    assert ended.returncode == 1
    assert "no prompt provided; pass a prompt argument or pipe one into stdin" in ended.stderr


@pytest.mark.parametrize(
    ("step", "reason"),
    [
        (Refuse(401), "unexpected status 401 Unauthorized: refused by the script"),
        (Refuse(429), "exceeded retry limit, last status: 429 Too Many Requests"),
        (Stream(text="cut", ending="none"), "stream disconnected before completion"),
        (Stream(ending="failed", reason="insufficient_quota"), "Quota exceeded. Check your plan and billing details."),
        (Call("exec_command", {"cmd": "touch /tmp/never"}), "the model calls tools, and there are none here"),
    ],
)
def test_turn_that_fails_says_why_on_stderr(memoryd: Memoryd, model: FakeModelServer, step: Any, reason: str) -> None:
    model.script(PROMPT, *[step] * 9)

    ended = turn(memoryd, PROMPT)

    assert ended.code == 1
    assert reason in ended.stderr
    assert KEY not in ended.stderr + ended.stdout
    assert {line["method"] for line in lines(ended)} <= {"item/started", "item/completed", "item/agentMessage/delta"}
    assert files_of(memoryd.codex_home) == ["config.toml"], "it was shut down, and has left nothing"


def test_missing_key_is_named(memoryd: Memoryd, model: FakeModelServer) -> None:
    ended = subprocess.run(
        command(memoryd, PROMPT),
        env={name: value for name, value in environment(memoryd).items() if name != "LOOPBACK_KEY"},
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        timeout=SECONDS_MAX,
        check=False,
    )

    assert ended.returncode == 1
    assert "Missing environment variable: `LOOPBACK_KEY`." in ended.stderr
    assert model.requests == []


def test_built_in_model_answers_without_key_and_network(memoryd: Memoryd) -> None:
    ended = turn(memoryd, "What", "about", "npm?")

    assert ended.code == 0, ended.stderr
    assert "built-in model" in lines(ended)[-1]["params"]["item"]["text"]


def test_what_is_printed_can_be_read_while_the_turn_goes_on(memoryd: Memoryd, model: FakeModelServer) -> None:
    model.script(PROMPT, Hang())
    with running(memoryd, PROMPT) as process:
        assert process.stdout is not None
        printed = [json.loads(process.stdout.readline()) for _ in range(2)]
        assert model.asked.wait(SECONDS_MAX)
        assert process.poll() is None
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=SECONDS_MAX)

    assert [line["method"] for line in printed] == ["item/started", "item/completed"]
    assert printed[0]["params"]["item"]["content"][0]["text"] == PROMPT


def test_codex_home_that_is_no_folder_is_said_to_be_none(memoryd: Memoryd) -> None:
    memoryd.codex_home.mkdir(parents=True, exist_ok=True)
    file = memoryd.codex_home / "file"
    file.write_text("")

    ended = turn(memoryd, "--codex-home", str(file), PROMPT)

    assert (ended.code, ended.stdout) == (2, "")
    assert f"find Codex home: the Codex home {file} is not a folder" in ended.stderr


def test_signal_shuts_the_thread_down_and_ends_the_run(memoryd: Memoryd, model: FakeModelServer) -> None:
    model.script(PROMPT, Hang())
    with running(memoryd, PROMPT) as process:
        assert model.asked.wait(SECONDS_MAX)
        process.send_signal(signal.SIGINT)
        _, stderr = process.communicate(timeout=SECONDS_MAX)

    assert process.returncode == 130
    assert b"interrupted" in stderr
    assert model.hung_up.wait(SECONDS_MAX), "the model's answer was not waited for any longer"


def test_closed_stdout_ends_the_run_with_an_error(memoryd: Memoryd, model: FakeModelServer) -> None:
    model.script(PROMPT, Say("Said.", delay_seconds=0.5))
    with running(memoryd, PROMPT) as process:
        assert process.stdout is not None
        process.stdout.close()
        process.stdout = None
        _, stderr = process.communicate(timeout=SECONDS_MAX)

    assert process.returncode == 1
    assert b"stdout was closed before the turn ended" in stderr


def test_store_that_cannot_be_opened_is_a_warning_only(memoryd: Memoryd, model: FakeModelServer) -> None:
    memoryd.state_dir.parent.mkdir(parents=True, exist_ok=True)
    memoryd.state_dir.write_text("no folder")

    ended = turn(memoryd, PROMPT)

    assert ended.code == 0, ended.stderr
    assert lines(ended)[-1]["params"]["item"]["text"] == "Done."
    assert "failed to initialize state runtime" in ended.stderr
