"""Messages about what people and programs say of a thread beside its rollout: title, name, memory mode, git.

What is said is an *edit*. It goes before every later reading of the rollout, field by field, and so does an edit that
clears a field. Each of these requests is on disk in `edits.jsonl` before it is committed, so that it outlives the
database; one that fails after that may come back when the database is rebuilt.

Texts are stored as they are given: the asker has redacted them.
"""

import enum

import attrs

from state.ids import ThreadId
from state.messages.base import Request
from state.messages.threads import UnknownThread


class MemoryMode(enum.StrEnum):
    """Whether a thread may be remembered. Stored as this text."""

    ENABLED = "enabled"
    DISABLED = "disabled"
    """Somebody does not want it."""
    POLLUTED = "polluted"
    """It has taken in what came from outside."""


class Keep(enum.Enum):
    """Says of one field of a patch that it stays as it is; None says that it is cleared."""

    KEEP = "keep"


KEEP = Keep.KEEP


@attrs.frozen(kw_only=True)
class ThreadEdited:
    """The thread's row says it now, and goes on saying it."""

    thread_id: ThreadId


@attrs.frozen(kw_only=True)
class InvalidThreadId:
    """What was asked for is no UUID, in none of its spellings; nothing was looked up or changed."""

    asked: str


@attrs.frozen(kw_only=True)
class SetThreadTitle(Request[ThreadEdited | UnknownThread | InvalidThreadId]):
    """Give a thread another title. Touches no other column. Asking again is safe."""

    thread_id: str
    title: str


@attrs.frozen(kw_only=True)
class SetThreadName(Request[ThreadEdited | UnknownThread | InvalidThreadId]):
    """Give a thread a name, or take it away with None. Touches no other column. Asking again is safe.

    A name that Codex wrote into its own list of names later than this goes before it.
    """

    thread_id: str
    name: str | None


@attrs.frozen(kw_only=True)
class SetThreadMemoryMode(Request[ThreadEdited | UnknownThread | InvalidThreadId]):
    """Say whether a thread may be remembered. Asking again is safe.

    A change makes its project dirty, and every other scope that has a memory of it.
    """

    thread_id: str
    mode: MemoryMode = attrs.field(converter=MemoryMode)


@attrs.frozen(kw_only=True)
class PatchThreadGit(Request[ThreadEdited | UnknownThread | InvalidThreadId]):
    """Keep, clear or set each of a thread's three git columns, in one UPDATE that touches no other column.

    Asking again is safe.
    """

    thread_id: str
    sha: str | Keep | None = KEEP
    branch: str | Keep | None = KEEP
    origin_url: str | Keep | None = KEEP
