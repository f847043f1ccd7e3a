"""Where a row of Codex's and a row of ours say different things, and which of these differences are meant.

Pure. Our texts are redacted and Codex's are not, so a text that redaction makes equal is equal.
"""

import json
from collections.abc import Callable, Collection, Mapping
from pathlib import Path

import attrs

from state.codex_database import CodexRow, CodexValue
from state.messages.threads import Thread
from workers.redaction import redact

CLOCK_READINGS_MS = 2_000
"""Codex reads the clock for its row some milliseconds before or after it writes the line that says the same."""


@attrs.frozen(kw_only=True)
class Difference:
    """One column. meant: why the difference is as it should be; None when it is a drift."""

    column: str
    theirs: CodexValue
    ours: CodexValue
    meant: str | None = None


@attrs.frozen(kw_only=True)
class _Pair:
    theirs: Mapping[str, CodexValue]
    ours: Thread

    def their_text(self, column: str) -> str:
        value = self.theirs.get(column)
        return "" if value is None else str(value)


Meant = Callable[[_Pair], str | None]

_EDITED = "somebody said it of the thread here, which goes before its rollout and does not reach Codex"


def _only_codex_knows(pair: _Pair) -> str | None:
    if pair.ours.history_mode == "paginated":
        return "an edit that Codex keeps in its database alone, and loses when that is rebuilt"
    return None


def _name(pair: _Pair) -> str | None:
    if pair.ours.name is None:
        return None
    if not pair.their_text("name"):
        if _same_text(pair.their_text("title"), pair.ours.name):
            return "Codex puts the name of a thread in the older format into its title"
        return "Codex loses names when its database is rebuilt; ours is from session_index.jsonl"
    return None


def _title(pair: _Pair) -> str | None:
    if pair.ours.name is not None and _same_text(pair.their_text("title"), pair.ours.name):
        return "Codex puts the name of a thread in the older format into its title"
    return None


def _preview(pair: _Pair) -> str | None:
    if _same_text(pair.their_text("first_user_message"), pair.ours.preview):
        return "Codex shows the first message of the thread that this one was forked from"
    return None


def _settings(_: _Pair) -> str | None:
    return "settings are written down in another way by each version of Codex"


def _nothing(_: _Pair) -> str | None:
    return None


_COLUMNS: Mapping[str, Meant] = {
    "cwd": _nothing,
    "source": _nothing,
    "model_provider": _nothing,
    "title": _title,
    "name": _name,
    "first_user_message": _nothing,
    "preview": _preview,
    "git_sha": _only_codex_knows,
    "git_branch": _only_codex_knows,
    "git_origin_url": _only_codex_knows,
    "tokens_used": _nothing,
    "memory_mode": _nothing,
    "originator": _settings,
    "cli_version": _settings,
    "thread_source": _settings,
    "agent_nickname": _settings,
    "agent_role": _settings,
    "agent_path": _settings,
    "history_mode": _settings,
    "model": _settings,
    "reasoning_effort": _settings,
    "approval_mode": _settings,
    "sandbox_policy": _settings,
}
"""Every column that both have and that is compared as it stands, with what may be meant by a difference."""


def differences(theirs: CodexRow, ours: Thread, edited: Collection[str] = ()) -> list[Difference]:
    """Compare what both have, but for where the rollout lies.

    Args:
      edited: the columns of ours that somebody edited; Codex is not told of that.
    """
    pair = _Pair(theirs=theirs.columns, ours=ours)
    found = []
    for column, meant in _COLUMNS.items():
        if column in pair.theirs and not _is_same(pair.theirs[column], getattr(ours, column)):
            reason = _EDITED if column in edited else meant(pair)
            found.append(
                Difference(column=column, theirs=pair.theirs[column], ours=getattr(ours, column), meant=reason)
            )
    archived = pair.theirs.get("archived")
    if archived is not None and bool(archived) != (ours.archived_at_ms is not None):
        found.append(Difference(column="archived", theirs=archived, ours=int(ours.archived_at_ms is not None)))
    found += _times(pair)
    return found


def _times(pair: _Pair) -> list[Difference]:
    """Times are never a drift: each side dates by what it saw. Far ones are counted."""
    found = []
    for column in ("created_at", "updated_at", "recency_at"):
        theirs_ms, precision_ms = _milliseconds(pair.theirs, column)
        ours_ms = getattr(pair.ours, f"{column}_ms")
        if theirs_ms is not None and abs(theirs_ms - ours_ms) > CLOCK_READINGS_MS + precision_ms:
            meant = "each side dates by what it saw: Codex by its clock, memoryd by the file"
            found.append(Difference(column=column, theirs=theirs_ms, ours=ours_ms, meant=meant))
    return found


def _milliseconds(theirs: Mapping[str, CodexValue], column: str) -> tuple[int | None, int]:
    for name, factor in ((f"{column}_ms", 1), (column, 1000)):
        value = theirs.get(name)
        if isinstance(value, int):
            return value * factor, factor
    return None, 0


def _is_same(theirs: CodexValue, ours: object) -> bool:
    if theirs == ours or (not theirs and not ours):
        return True
    if isinstance(theirs, str) and isinstance(ours, str):
        return _same_text(theirs, ours)
    return False


def _same_text(theirs: str, ours: str) -> bool:
    if theirs == ours:
        return True
    cleaned = redact(theirs.replace("\0", "\ufffd"))
    if cleaned == ours or _unified(cleaned) == _unified(ours):
        return True
    return _decoded(theirs) == _decoded(ours) is not None


def _unified(text: str) -> str:
    """The text without what redaction and clean-up may leave differently at its ends."""
    return text.strip()


def _decoded(text: str) -> object:
    if not text.startswith(("{", "[")):
        return None
    try:
        return json.loads(redact(text))
    except ValueError:
        return None


def relative_path(theirs: str, codex_home: Path) -> str | None:
    """Codex's path of a rollout as ours is written: below the home, without `.zst`; None when it lies elsewhere."""
    path = Path(theirs.removesuffix(".zst"))
    try:
        real = path.parent.resolve() / path.name
    except (OSError, ValueError, RuntimeError):
        return None  # a loop of links, or no path at all
    for candidate in (path, real):
        if candidate.is_relative_to(codex_home):
            return candidate.relative_to(codex_home).as_posix()
    return None


def is_emptied(theirs: CodexRow, ours: Thread) -> bool:
    """Say whether Codex has "repaired" its row to one that says nothing, as it does with a loaded thread's."""
    columns = theirs.columns
    return (
        columns.get("source") == "unknown"
        and not columns.get("title")
        and not columns.get("preview")
        and not columns.get("tokens_used")
        and bool(ours.preview)
    )
