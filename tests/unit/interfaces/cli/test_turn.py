"""The words of a prompt are taken as they are, whatever they look like."""

import io
import sys

import pytest

from interfaces.cli.errors import CommandError
from interfaces.cli.prompt_words import verbatim
from interfaces.cli.turn import prompt_of


@pytest.mark.parametrize(
    ("arguments", "marked"),
    [
        (["turn", "hello", "--model", "x"], ["turn", "--", "hello", "--model", "x"]),
        (["turn", "--model", "m", "hello", "--json"], ["turn", "--model", "m", "--", "hello", "--json"]),
        (["turn", "--model=m", "--", "--help"], ["turn", "--model=m", "--", "--help"]),
        (["turn", "a", "--", "b"], ["turn", "--", "a", "--", "b"]),
        (["turn", "--unknown", "-x"], ["turn", "--", "--unknown", "-x"]),
        (["turn", "--set", "a=b", "--codex-home=/h", "say"], ["turn", "--set", "a=b", "--codex-home=/h", "--", "say"]),
        (["turn", "--help"], ["turn", "--help"]),
        (["turn", "--model", "m"], ["turn", "--model", "m"]),
        (["turn"], ["turn"]),
        (["threads", "list", "--json"], ["threads", "list", "--json"]),
        ([], []),
    ],
)
def test_options_end_where_the_prompt_begins(arguments: list[str], marked: list[str]) -> None:
    assert verbatim(arguments) == marked


class Piped:
    """A standard input that is no terminal."""

    def __init__(self, data: bytes) -> None:
        self.buffer = io.BytesIO(data)

    def isatty(self) -> bool:
        return False


def test_words_are_joined_and_stdin_is_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", None)

    assert prompt_of(("say", " it ", "--now")) == "say  it  --now"


def test_piped_prompt_has_the_line_ends_of_this_world_and_is_not_trimmed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", Piped(b"  one\r\ntwo\rthree \n"))

    assert prompt_of(()) == "  one\ntwo\nthree \n"


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "no prompt provided via stdin"),
        (b" \r\n\t", "no prompt provided via stdin"),
        (b"caf\xe9", "read prompt from stdin: it is not UTF-8 at byte 3"),
    ],
)
def test_piped_prompt_that_is_none_is_refused(monkeypatch: pytest.MonkeyPatch, data: bytes, reason: str) -> None:
    monkeypatch.setattr(sys, "stdin", Piped(data))

    with pytest.raises(CommandError, match=f"^{reason}$"):
        prompt_of(())
