"""Stores that are broken on purpose: what the checks must notice."""

from collections.abc import Callable
from pathlib import Path

import apsw
import outcome

from chaos.disk.asked_store import BUSY_DEADLINE_MS, AskedStore, WrapCommits
from state.connection import open_writer
from state.errors import NotCommittedError
from state.group_commit import GroupCommit
from state.inbox import Answer, Inbox
from state.opening import OpenedStore
from state.sqlite_transaction import SqliteTransaction
from state.transaction import SqlValue


class AnswersBeforeCommit(GroupCommit):
    """Replies first, and commits when somebody asks the next time."""

    def serve(self, inbox: Inbox) -> list[Answer]:
        if self._connection.in_transaction:
            super()._commit([], changed=True)
        return super().serve(inbox)

    def _commit(self, answers: list[Answer], *, changed: bool) -> list[Answer]:  # noqa: ARG002 - the store's own shape
        return answers

    def close(self) -> None:
        self._abandon()
        super().close()


class CommitsHalfWay(GroupCommit):
    """Commits after every statement, so that a request which changes several rows may be there by half."""

    def serve(self, inbox: Inbox) -> list[Answer]:
        self._transaction = _Hasty(self._connection, self._memories_dir)
        return super().serve(inbox)


class _Hasty(SqliteTransaction):
    async def execute(self, sql: str, /, **parameters: SqlValue) -> int:
        changed = await super().execute(sql, **parameters)
        for statement in ("COMMIT", "BEGIN IMMEDIATE", "SAVEPOINT request"):
            self._connection.execute(statement)
        return changed


class AcknowledgesWhatFailed(GroupCommit):
    """Says that all is well when COMMIT has failed."""

    def _find_out(self, answers: list[Answer], batch_id: str, error: apsw.Error) -> list[Answer]:  # noqa: ARG002
        self._reopen()
        return answers


class RefusesWhatItStored(GroupCommit):
    """Says that nothing was stored when COMMIT has failed, without looking."""

    def _commit(self, answers: list[Answer], *, changed: bool) -> list[Answer]:
        stored = super()._commit(answers, changed=changed)
        if len(stored) < 3:
            return stored
        refusal = outcome.Error(NotCommittedError("the disk failed: the change was not stored"))
        return [(ticket, refusal) for ticket, _ in stored]


def wrapping(kind: type[GroupCommit]) -> Callable[[str], WrapCommits]:
    """Serve through a broken store on the disk of this name."""

    def on_disk(vfs: str) -> WrapCommits:
        def wrap(opened: OpenedStore, database: Path, store: AskedStore) -> GroupCommit:
            return kind(
                open_writer(database, busy_deadline_ms=BUSY_DEADLINE_MS, vfs=vfs),
                memories_dir=store.folder.memories_dir,
                clock=store.clock,
                process=opened.process,
                busy_deadline_ms=BUSY_DEADLINE_MS,
            )

        return wrap

    return on_disk
