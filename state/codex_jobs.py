"""What Codex's own memory database says about its last consolidation. `state.codex_copy` says how it is read."""

from pathlib import Path

import apsw
import attrs

from state.codex_copy import CodexDatabaseError, open_codex_copy


@attrs.frozen(kw_only=True)
class ConsolidationRun:
    """When Codex's last finished consolidation began and ended, Unix seconds, both included."""

    started_at_s: int
    finished_at_s: int


def last_consolidation(database: Path) -> ConsolidationRun | None:
    """Look the run up; None when there was none, it has not finished, or the database cannot be read."""
    try:
        with open_codex_copy(database) as connection:
            row = connection.execute(
                "SELECT started_at, finished_at FROM jobs WHERE kind = 'memory_consolidate_global' AND status = 'done'"
                " ORDER BY finished_at DESC LIMIT 1"
            ).fetchone()
    except (CodexDatabaseError, OSError, apsw.Error):
        return None
    if row is None or not all(isinstance(value, int) for value in row):
        return None
    return ConsolidationRun(started_at_s=row[0], finished_at_s=row[1])
