"""What happens in a session, before it is a transcript: the words in which the sample sessions are told."""

from enum import StrEnum

import attrs


@attrs.frozen
class Project:
    """Where a session works. folder: absolute; it does not have to exist."""

    folder: str
    origin_url: str


@attrs.frozen
class Answers:
    """The agent says something to the person."""

    text: str


@attrs.frozen
class Runs:
    """The agent runs a command in the project's folder."""

    command: str
    output: str
    exit_code: int = 0


@attrs.frozen
class Edit:
    """One file, relative to the project: `old` lines become `new` ones; without `old` the file is added."""

    path: str
    new: str
    old: str = ""


@attrs.frozen
class Patches:
    """The agent changes files through the patch tool."""

    edits: tuple[Edit, ...]


Step = Answers | Runs | Patches


@attrs.frozen
class Turn:
    """One prompt and what the agent did about it. aborted: the person interrupted it."""

    prompt: str
    steps: tuple[Step, ...]
    aborted: bool = False


class Format(StrEnum):
    """The two line formats of a rollout, as `history_mode` names them."""

    LEGACY = "legacy"
    PAGINATED = "paginated"


@attrs.frozen(kw_only=True)
class Session:
    """One session.

    Attributes:
      key: what the session is called here; unique.
      ended_hours_ago: when its last line was written.
      name: what the person called it, or None.
    """

    key: str
    project: Project
    format: Format
    ended_hours_ago: float
    turns: tuple[Turn, ...]
    source: str = "cli"
    branch: str = "main"
    archived: bool = False
    name: str | None = None
