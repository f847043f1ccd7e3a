"""Codex's own thread index, as far as this memoryd understands it. `state.codex_copy` says how it is read."""

import contextlib
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

import apsw
import attrs

from state.codex_config import read_codex_config
from state.codex_copy import COPY_BYTES_MAX, CodexDatabaseError, open_codex_copy

_STATE_NAME = re.compile(r"state_([0-9]{1,9})\.sqlite", re.ASCII)

CodexValue = int | float | str | None


@attrs.frozen(kw_only=True)
class CodexDatabasePlace:
    """Where Codex keeps its thread index.

    Attributes:
      folder: sqlite_home of its config.toml, else $CODEX_SQLITE_HOME, else the Codex home.
      path: the `state_<n>.sqlite` of the highest n in there, or None.
      remark: why the folder may be another one (a config.toml that is not understood), or None.
    """

    folder: Path
    path: Path | None
    remark: str | None


def find_codex_database(codex_home: Path, environment: Mapping[str, str]) -> CodexDatabasePlace:
    """Find Codex's thread index. A folder that is missing or cannot be listed holds none."""
    configured, remark = _sqlite_home(codex_home)
    folder = configured or environment.get("CODEX_SQLITE_HOME") or ""
    place = Path(codex_home, os.path.expanduser(folder)) if folder else codex_home
    numbered = []
    with contextlib.suppress(OSError):
        for name in os.listdir(place):
            match = _STATE_NAME.fullmatch(name)
            if match:
                numbered.append((int(match[1]), name))
    return CodexDatabasePlace(folder=place, path=place / max(numbered)[1] if numbered else None, remark=remark)


def _sqlite_home(codex_home: Path) -> tuple[str, str | None]:
    config = read_codex_config(codex_home)
    if config.problem is not None:
        return "", f"Codex's config.toml could not be read: {config.problem}"
    value = config.values.get("sqlite_home", "")
    return (value, None) if isinstance(value, str) else ("", "sqlite_home in Codex's config.toml is not a text")


@attrs.frozen(kw_only=True)
class CodexRow:
    """One row of Codex's `threads`, with the columns that this version of Codex has. `columns` are as stored."""

    id: str
    columns: Mapping[str, CodexValue]


_TEXTS = (
    "rollout_path", "source", "model_provider", "cwd", "cli_version", "title", "name", "sandbox_policy",
    "approval_mode", "first_user_message", "preview", "git_sha", "git_branch", "git_origin_url", "agent_nickname",
    "agent_role", "agent_path", "model", "reasoning_effort", "thread_source", "originator", "history_mode",
    "memory_mode",
)  # fmt: skip
_NUMBERS = (
    "created_at", "updated_at", "recency_at", "created_at_ms", "updated_at_ms", "recency_at_ms", "archived",
    "archived_at", "tokens_used",
)  # fmt: skip


class CodexDatabase:
    """An open copy of Codex's thread index, or the index itself where it is read in place.

    Attributes:
      backfill_status: what Codex says of its own backfill; None where this version keeps no such row.
      threads: how many rows there are.
    """

    def __init__(self, connection: apsw.Connection) -> None:
        self._connection = connection
        present = {str(row[1]) for row in connection.execute("PRAGMA table_info(threads)")}
        if not {"id", "rollout_path"} <= present:
            raise CodexDatabaseError("it has no table of threads that this memoryd understands")
        self._texts = tuple(name for name in _TEXTS if name in present)
        self._numbers = tuple(name for name in _NUMBERS if name in present)
        # As blobs: a text that is not UTF-8 costs its odd characters and not the row.
        columns = [*(f"CAST({name} AS BLOB)" for name in ("id", *self._texts)), *self._numbers]
        # Ids that are no texts are nobody's threads, and would not be passed by the next page.
        self._sql = (
            f"SELECT {', '.join(columns)} FROM threads"  # noqa: S608
            " WHERE typeof(id) = 'text' AND id > CAST(? AS TEXT) ORDER BY id LIMIT ?"
        )
        (self.threads,) = (int(row[0]) for row in connection.execute("SELECT count(*) FROM threads"))
        self.backfill_status = self._backfill_status()
        self._last = ("", b"")

    def rows(self, after: str, limit: int) -> list[CodexRow]:
        """A page of rows in id order.

        Raises:
          CodexDatabaseError: the pages that hold them are damaged.
        """
        try:
            found = list(self._connection.execute(self._sql, (self._stored(after), limit)))
        except apsw.Error as error:
            raise CodexDatabaseError(f"it is damaged: {error}") from error
        if found:
            self._last = (str(_plain(found[-1][0])), found[-1][0])
        names = (*self._texts, *self._numbers)
        return [
            CodexRow(id=str(_plain(row[0])), columns={name: _plain(v) for name, v in zip(names, row[1:], strict=True)})
            for row in found
        ]

    def _stored(self, after: str) -> bytes:
        """The id as it is stored: an odd one, once decoded, sorts elsewhere, and its page would come again for ever."""
        decoded, stored = self._last
        return stored if after == decoded else after.encode(errors="replace")

    def _backfill_status(self) -> str | None:
        try:
            for (status,) in self._connection.execute("SELECT status FROM backfill_state"):
                return str(status)
        except apsw.SQLError:
            pass  # an older Codex, which has no such table
        return None


def _plain(value: CodexValue | bytes) -> CodexValue:
    return value.decode(errors="replace") if isinstance(value, bytes) else value


@contextlib.contextmanager
def open_codex_database(path: Path, *, copy_bytes_max: int = COPY_BYTES_MAX) -> Iterator[CodexDatabase]:
    """Open a copy of Codex's thread index for the block. A link is followed, as SQLite does, to the files beside it.

    Raises:
      CodexDatabaseError: it cannot be read; the message says why.
    """
    try:
        with open_codex_copy(path, copy_bytes_max=copy_bytes_max) as connection:
            yield CodexDatabase(connection)
    except apsw.Error as error:
        raise CodexDatabaseError(f"it is damaged: {error}") from error
