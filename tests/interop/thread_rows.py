"""What a row of Codex's `threads` table and an object of `memoryd threads show` both say, compared column by column.

The rule: a column is equal, or it is in a table of better answers, which gives the reason and still checks the value.
"""

import json
import shutil
import sqlite3
from collections.abc import Callable, Iterable, Mapping
from contextlib import closing
from enum import StrEnum
from pathlib import Path
from typing import Generic, TypeVar

import attrs

from state.ids import ThreadId
from tests.interop.codex import state_database

VarietyT = TypeVar("VarietyT", bound=StrEnum)

Row = Mapping[str, object]

COLUMN_GROUPS: Mapping[str, tuple[str, ...]] = {
    "identity": ("id", "rollout_path", "history_mode", "parent_thread_id"),
    "names": ("name", "title"),
    "texts": ("first_user_message", "preview"),
    "times": ("created_at", "created_at_ms", "updated_at", "updated_at_ms", "recency_at", "recency_at_ms"),
    "archive": ("archived", "archived_at"),
    "origin": ("source", "thread_source", "originator", "cli_version", "model_provider"),
    "agent": ("agent_nickname", "agent_role", "agent_path"),
    "place": ("cwd", "git_sha", "git_branch", "git_origin_url"),
    "settings": ("sandbox_policy", "approval_mode", "model", "reasoning_effort", "memory_mode", "tokens_used"),
}
"""Every column that both have, by subject. parent_thread_id is an edge of its own in Codex's database."""

SHOWN_CHARS_MAX = 200


def codex_rows(home: Path, scratch: Path) -> dict[ThreadId, Row]:
    """Every row of Codex's own thread index, as `comparable`.

    A copy in `scratch` is read, since merely opening a database in WAL mode can leave files beside it.
    No process may be working in `home`.
    """
    original = state_database(home)
    for path in home.glob(f"{original.name}*"):
        shutil.copy2(path, scratch / path.name)
    with closing(sqlite3.connect(scratch / original.name)) as database:
        database.row_factory = sqlite3.Row
        found = database.execute(
            "SELECT threads.*, edge.parent_thread_id FROM threads"
            " LEFT JOIN thread_spawn_edges AS edge ON edge.child_thread_id = threads.id"
        )
        return {ThreadId(row["id"]): comparable(dict(row), home) for row in found}


def comparable(row: Row, home: Path) -> Row:
    """The row with its path relative to `home`, its flag as a bool, and JSON texts decoded."""
    return {
        **{column: _decoded(value) for column, value in row.items()},
        "rollout_path": str(Path(str(row["rollout_path"])).relative_to(home)),
        "archived": bool(row["archived"]),
    }


def _decoded(value: object) -> object:
    return json.loads(value) if isinstance(value, str) and value.startswith("{") else value


@attrs.frozen(kw_only=True)
class BetterAnswer(Generic[VarietyT]):
    """A difference that is meant.

    Attributes:
      varieties: empty means every one.
      holds: takes Codex's row, memoryd's object and the column; says whether memoryd's value is the meant one.
    """

    columns: tuple[str, ...]
    varieties: tuple[VarietyT, ...] = ()
    reason: str
    holds: Callable[[Row, Row, str], bool]


def differences(
    variety: VarietyT, columns: Iterable[str], theirs: Row, ours: Row, better: Iterable[BetterAnswer[VarietyT]]
) -> list[str]:
    """One line for each column that is neither equal nor a better answer that holds."""
    meant = [answer for answer in better if not answer.varieties or variety in answer.varieties]
    return [
        f"{variety} {theirs['id']}, {column}: Codex {_shown(theirs[column])}, memoryd {_shown(ours.get(column))}"
        for column in columns
        if column not in ours
        or (
            theirs[column] != ours[column]
            and not any(column in answer.columns and answer.holds(theirs, ours, column) for answer in meant)
        )
    ]


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= SHOWN_CHARS_MAX else f"{text[:SHOWN_CHARS_MAX]}… ({len(text)} characters)"
