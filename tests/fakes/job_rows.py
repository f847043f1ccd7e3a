"""How the rows of extraction jobs stand, read beside the store, as the judge of histories wants them."""

from typing import Any

import apsw

from chaos.job_state import JobEnd
from state.folder import StateFolder
from state.ids import ThreadId


def job_rows(folder: StateFolder) -> dict[ThreadId, JobEnd]:
    """Every job. The text of a memory names the token under which it was saved, as `draft(token)` writes it."""
    connection = apsw.Connection(str(folder.database), flags=apsw.SQLITE_OPEN_READONLY)
    try:
        rows: list[tuple[Any, ...]] = list(
            connection.execute(
                "SELECT thread_id, j.status, j.attempts, j.given_back, j.fencing_number, j.ownership_token,"
                " substr(m.raw_memory, 3) FROM extraction_jobs j"
                " LEFT JOIN memories m USING (thread_id, scope_kind, scope_key)"
            )
        )
    finally:
        connection.close()
    return {
        ThreadId(thread): JobEnd(
            status=status, attempts=attempts, given_back=given_back, fencing_number=number, token=token, saved=saved
        )
        for thread, status, attempts, given_back, number, token, saved in rows
    }
