"""A command is the line that the shell was given, and its output is apart from what the tool says about it."""

import json

import pytest

from state.rollouts.commands import (
    Command,
    CommandOutput,
    called_command,
    command_line,
    command_output,
    plain_path,
    polled_session,
)


@pytest.mark.parametrize(
    ("command", "text"),
    [
        (" make test \n", "make test"),
        (["/bin/bash", "-lc", "make test"], "make test"),
        (["bash", "-c", "make test"], "make test"),
        (["/usr/bin/zsh", "-ilc", "make test"], "make test"),
        ([r"C:\Windows\System32\cmd.exe", "/c", "dir"], "dir"),
        (["pwsh", "-Command", "Get-Item x"], "Get-Item x"),
        (["bash", "-lc", "make", "test"], "bash -lc make test"),
        (["git", "commit", "-m", "two words"], "git commit -m 'two words'"),
        (["python", "-c", "print()"], "python -c 'print()'"),
        (["apply_patch", "*** Begin Patch\n*** End Patch"], "apply_patch\n*** Begin Patch\n*** End Patch"),
        ([], ""),
    ],
)
def test_command_line_is_what_the_shell_was_given(command: str | list[str], text: str) -> None:
    assert command_line(command) == text


@pytest.mark.parametrize(
    ("arguments", "command"),
    [
        ({"cmd": "make test", "workdir": "/w"}, Command("make test", "/w")),
        ({"command": ["bash", "-lc", "make test"], "workdir": None}, Command("make test")),
        ({"command": "make test", "cwd": "file:///a%20b"}, Command("make test", "/a b")),
        ({"other": 1}, Command("")),
    ],
)
def test_called_command_is_in_the_arguments(arguments: dict[str, object], command: Command) -> None:
    assert called_command(json.dumps(arguments)) == command


@pytest.mark.parametrize("arguments", ["make test", '{"cmd": 7}', ""])
def test_arguments_in_no_known_form_are_the_command(arguments: str) -> None:
    assert called_command(arguments) == Command(arguments)


@pytest.mark.parametrize(
    ("text", "output"),
    [
        ("plain\n", CommandOutput("plain\n")),
        ('{"output":"a\\nb","metadata":{"exit_code":2,"duration_seconds":0.1}}', CommandOutput("a\nb", 2)),
        ('{"output":"a"}', CommandOutput("a")),
        ('{"goal":null}', CommandOutput('{"goal":null}')),
        ('{"output":7}', CommandOutput('{"output":7}')),
        (
            "Chunk ID: b3\nWall time: 0.04 seconds\nProcess exited with code 3\nOriginal token count: 5\nOutput:\na\nb",
            CommandOutput("a\nb", 3),
        ),
        ("Exit code: -1\nWall time: 1 seconds\nTotal output lines: 2\nOutput:\na\nb", CommandOutput("a\nb", -1)),
        ("Wall time: 0.3 seconds\nProcess running with session ID 46858\nOutput:\n", CommandOutput("", None, "46858")),
        ("Wall time: 0.0 seconds\nOutput:", CommandOutput("")),
        ("Wall time: 0 seconds\nOutput:\nExit code: 0\nWall time: 0 seconds\nOutput:\nok", CommandOutput("ok", 0)),
        ("Wall time: 2.7 seconds\naborted by user", CommandOutput("Wall time: 2.7 seconds\naborted by user")),
        ("a\nExit code: 5\nOutput:\n", CommandOutput("a\nExit code: 5\nOutput:\n")),
        ("", CommandOutput("")),
    ],
)
def test_output_is_apart_from_its_header(text: str, output: CommandOutput) -> None:
    assert command_output(text) == output


@pytest.mark.parametrize(
    ("arguments", "session_id"), [('{"session_id":12,"chars":""}', "12"), ('{"session_id":"12"}', "12"), ("{}", "")]
)
def test_polled_session_is_in_the_arguments(arguments: str, session_id: str) -> None:
    assert polled_session(arguments) == session_id


@pytest.mark.parametrize(("path", "plain"), [("/w", "/w"), ("file:///w%20x", "/w x"), ("", ""), ("rel/x", "rel/x")])
def test_path_has_no_scheme(path: str, plain: str) -> None:
    assert plain_path(path) == plain
