"""The index against Codex's own database, thread by thread and column by column. Codex's side is only read.

Both are walked in the order of their ids, a page at a time, so that memory stays bounded. Where they differ, the file
decides who is right: what it does not say is ours to read again, or Codex's to be told to a person.
"""

import os
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path

import attrs
import trio

from config import Settings
from state.codex_copy import CodexDatabaseError
from state.codex_database import (
    CodexDatabase,
    CodexRow,
    find_codex_database,
    open_codex_database,
)
from state.ids import ThreadId
from state.messages.drift import ListThreadRows, LookUpRollouts, RolloutRow
from state.messages.threads import Thread
from state.rollouts import FoundRollout
from state.store import StateHandle
from workers.doctor.columns import Difference, differences, is_emptied, relative_path
from workers.doctor.files import Survey
from workers.doctor.finding import Area, Findings, Severity, shown
from workers.doctor.folds import compare, report_drift
from workers.progress import Progress

PAGE_ROWS = 500
REFOLDED_MAX = 50
"""Files that are folded to find out whose row is right. Beyond it a difference is named without that."""

IN_USE_SECONDS = 10.0
"""A rollout that was written to so lately may be a turn in work, of which each side knows a different part."""

REBUILD = "end every Codex and move {database} away: it builds its index again from the rollouts"


async def check_codex_index(
    findings: Findings,
    handle: StateHandle | None,
    codex_home: Path,
    settings: Settings,
    environment: Mapping[str, str],
    survey: Survey,
    progress: Progress,
) -> int:
    """Compare; answer how many threads Codex knows. Without a handle Codex's side is only looked at."""
    place = await trio.to_thread.run_sync(find_codex_database, codex_home, environment)
    if place.remark is not None:
        findings.add(Area.CODEX, "codex_config", Severity.NOTE, place.remark, subject="config.toml")
    if place.path is None:
        findings.add(Area.CODEX, "codex_database", Severity.OK, f"Codex has no database of threads in {place.folder}")
        return 0
    with ExitStack() as stack:
        try:
            # Not abandoned on cancel: the copy has to be removed again. It is bounded.
            database = await trio.to_thread.run_sync(stack.enter_context, open_codex_database(place.path))
            comparison = _Comparison(
                findings, handle, codex_home, settings, survey, progress, database, str(place.path)
            )
            await comparison.run()
        except CodexDatabaseError as error:
            findings.add(
                Area.CODEX,
                "codex_database_unusable",
                Severity.WARNING,
                f"Codex's database {place.path} could not be compared: {error}",
                subject=str(place.path),
                repair="if Codex has trouble with it, too: " + REBUILD.format(database=place.path),
            )
            return 0
        return database.threads


@attrs.frozen(kw_only=True)
class _Doubtful:
    """A thread on which the two sides do not agree, with the file that decides."""

    theirs: CodexRow
    ours: Thread
    drifts: tuple[Difference, ...]


class _Comparison:
    """One walk over both sides."""

    def __init__(
        self,
        findings: Findings,
        handle: StateHandle | None,
        codex_home: Path,
        settings: Settings,
        survey: Survey,
        progress: Progress,
        database: CodexDatabase,
        path: str,
    ) -> None:
        self._findings = findings
        self._handle = handle
        self._codex_home = codex_home
        self._settings = settings
        self._progress = progress
        self._database = database
        self._path = path
        self._rebuild = REBUILD.format(database=path)
        self._survey = survey
        self._files = {file.path: file for file in survey.found}
        self._is_complete = database.backfill_status in (None, "complete")
        self._doubtful: list[_Doubtful] = []
        self._meant: dict[tuple[str, str], int] = {}
        self._edited: dict[ThreadId, frozenset[str]] = {}
        self._misnamed = frozenset(findings.to_repair("name_differs"))
        self._in_use = 0
        self._compared = 0

    async def run(self) -> None:
        """Compare all.

        Raises:
          CodexDatabaseError: Codex's pages are damaged.
          StoreError: the store could not answer.
        """
        if not self._is_complete:
            self._findings.add(
                Area.CODEX,
                "codex_backfill",
                Severity.NOTE,
                f"Codex's own backfill is {self._database.backfill_status}: it does not know every thread yet",
                subject=self._path,
                repair="start Codex; after a kill -9 it may refuse to start for up to 15 minutes",
            )
        if self._handle is None:
            return
        await self._walk(self._handle)
        await self._decide(self._handle)
        self._report_counts()

    async def _walk(self, handle: StateHandle) -> None:
        theirs = _Ahead()
        ours = _Ahead()
        their_rows: list[CodexRow] = []
        our_rows: list[Thread] = []
        seen = 0
        while True:
            if not their_rows and not theirs.is_done:
                their_rows = await trio.to_thread.run_sync(self._database.rows, theirs.after, PAGE_ROWS)
                theirs.took(their_rows[-1].id if their_rows else None, is_last=len(their_rows) < PAGE_ROWS)
            if not our_rows and not ours.is_done:
                page = await handle.ask(ListThreadRows(after=ours.after, limit=PAGE_ROWS))
                our_rows = list(page.threads)
                self._edited = dict(page.edited)
                ours.took(page.next_after, is_last=page.next_after is None)
            if not their_rows and not our_rows:
                return
            # Only as far as both sides are known to reach.
            reach = min(
                their_rows[-1].id if their_rows and not theirs.is_done else _LAST,
                our_rows[-1].id if our_rows and not ours.is_done else _LAST,
            )
            their_part = [row for row in their_rows if row.id <= reach]
            our_part = [row for row in our_rows if row.id <= reach]
            their_rows, our_rows = their_rows[len(their_part) :], our_rows[len(our_part) :]
            await self._compare_part(handle, their_part, our_part)
            seen += len(their_part)
            self._progress.report("comparing", seen, self._database.threads)

    async def _compare_part(self, handle: StateHandle, theirs: list[CodexRow], ours: list[Thread]) -> None:
        mine = {row.id: row for row in ours}
        rollouts = await self._rollouts_of(handle, theirs)
        for row in theirs:
            thread = mine.pop(row.id, None)  # type: ignore[call-overload]
            if thread is None:
                self._report_only_theirs(row, rollouts)
            else:
                self._compare_pair(row, thread, rollouts)
        for thread in mine.values():
            self._report_only_ours(thread)

    async def _rollouts_of(self, handle: StateHandle, theirs: list[CodexRow]) -> dict[str, RolloutRow]:
        """What the index says of the files that Codex's rows name."""
        paths = [self._relative(row) for row in theirs]
        found = await handle.ask(LookUpRollouts(paths=tuple(path for path in paths if path is not None)))
        return {row.path: row for row in found}

    def _relative(self, row: CodexRow) -> str | None:
        return relative_path(str(row.columns["rollout_path"] or ""), self._codex_home)

    def _compare_pair(self, theirs: CodexRow, ours: Thread, rollouts: Mapping[str, RolloutRow]) -> None:
        file = self._files.get(ours.rollout_path)
        if ours.rollout_path in self._survey.behind or file is None:
            return  # said of the file; what its row says is not worth comparing
        self._compared += 1
        if is_emptied(theirs, ours):
            self._report(
                "codex_row_emptied",
                ours.id,
                f"Codex's row of thread {ours.id} says nothing any more: no title, no preview, an unknown source",
                self._rebuild,
            )
            return
        self._compare_place(theirs, ours, rollouts)
        found = differences(theirs, ours, self._edited.get(ours.id, frozenset()))
        for one in found:
            if one.meant is not None:
                self._meant[one.column, one.meant] = self._meant.get((one.column, one.meant), 0) + 1
        # A name that our row has not taken over yet is said of our row.
        ours_lacks = ("name", "title") if ours.id in self._misnamed else ()
        drifts = tuple(one for one in found if one.meant is None and one.column not in ours_lacks)
        if drifts and abs(time.time() - file.mtime_ns / 1e9) < IN_USE_SECONDS:
            self._in_use += 1
        elif drifts:
            self._doubtful.append(_Doubtful(theirs=theirs, ours=ours, drifts=drifts))

    def _compare_place(self, theirs: CodexRow, ours: Thread, rollouts: Mapping[str, RolloutRow]) -> None:
        named = str(theirs.columns["rollout_path"] or "")
        relative = self._relative(theirs)
        if relative == ours.rollout_path.removesuffix(".zst"):
            return
        known = rollouts.get(relative) if relative is not None else None
        if known is not None and known.thread_id not in (None, ours.id):
            self._report(
                "codex_row_foreign_file",
                ours.id,
                f"Codex's row of thread {ours.id} names the file of thread {known.thread_id}: {shown(named)}",
                f"Codex cannot open this thread, and does not repair it; {self._rebuild}",
            )
        elif not _exists(named):
            self._report(
                "codex_row_missing_file",
                ours.id,
                f"Codex's row of thread {ours.id} names a file that is not there: {shown(named)};"
                f" it is {ours.rollout_path}",
                f"open the thread in Codex, which looks for its file; if that does not help, {self._rebuild}",
            )
        else:
            self._report(
                "codex_row_other_file",
                ours.id,
                f"Codex's row of thread {ours.id} names {shown(named)}, and the index {ours.rollout_path}",
                "two files hold this thread; keep one of them",
            )

    def _report_only_theirs(self, row: CodexRow, rollouts: Mapping[str, RolloutRow]) -> None:
        named = str(row.columns["rollout_path"] or "")
        relative = self._relative(row)
        known = rollouts.get(relative) if relative is not None else None
        if relative in self._survey.behind or relative in {path.path for path in self._survey.unreadable}:
            return  # said of the file
        if not _exists(named):
            self._report(
                "codex_row_missing_file",
                row.id,
                f"only Codex knows thread {row.id}, and its file is not there: {shown(named)}",
                f"bring the file back from a backup; if there is none, {self._rebuild}",
            )
        elif known is not None and known.thread_id not in (None, row.id):
            self._report(
                "codex_row_foreign_file",
                row.id,
                f"only Codex knows thread {row.id}, and its row names the file of thread {known.thread_id}:"
                f" {shown(named)}",
                self._rebuild,
            )
        elif known is not None:
            self._note("only_codex", row.id, f"only Codex knows thread {row.id}: its file is {known.status.value}")
        elif relative is not None:
            self._note(
                "only_codex", row.id, f"only Codex knows thread {row.id}: its file {shown(named)} is no rollout to us"
            )
        else:
            self._note("only_codex", row.id, f"only Codex knows thread {row.id}: {shown(named)} lies outside the home")

    def _report_only_ours(self, thread: Thread) -> None:
        file = self._files.get(thread.rollout_path)
        if file is None or thread.rollout_path in self._survey.behind:
            return
        if not self._is_complete or abs(time.time() - file.mtime_ns / 1e9) < IN_USE_SECONDS:
            self._note("only_ours", thread.id, f"Codex does not know thread {thread.id} of {thread.rollout_path} yet")
        else:
            self._report(
                "codex_row_absent",
                thread.id,
                f"Codex's database does not know thread {thread.id} of {thread.rollout_path}",
                "list your sessions in Codex, which then finds it; Codex leaves out files that are not all UTF-8",
            )

    async def _decide(self, handle: StateHandle) -> None:
        """Fold the files on which the sides do not agree: where ours is not what the file says, ours is at fault."""
        files: list[FoundRollout] = [self._files[one.ours.rollout_path] for one in self._doubtful[:REFOLDED_MAX]]
        at_fault: set[str] = set()
        named = set(self._findings.to_repair("row_differs"))
        for file in files:
            for drift in await compare(handle, self._codex_home, self._settings, [file]):
                at_fault.add(drift.path)
                if drift.path not in named:
                    report_drift(self._findings, drift)
        for number, one in enumerate(self._doubtful):
            if one.ours.rollout_path not in at_fault:
                self._report_drift(one, is_decided=number < len(files))

    def _report_drift(self, one: _Doubtful, *, is_decided: bool) -> None:
        thread = one.ours.id
        columns = "; ".join(
            f"{drift.column} is {shown(drift.theirs)} there, {shown(drift.ours)} here" for drift in one.drifts
        )
        names = {drift.column for drift in one.drifts}
        backing = ", and the file says what the index says" if is_decided else ""
        repair = f"if Codex shows it wrongly: {self._rebuild}"
        if names == {"model_provider"}:
            repair = "if the rollout names no provider, it is the home's own of the time when each index was made"
        elif "memory_mode" in names and one.ours.memory_mode == "enabled":
            repair = (
                "Codex kept this wish in its database alone, so memoryd does not know of it:"
                f" `codex archive {thread}` keeps the thread out of new memories"
            )
        elif "name" in names:
            repair = "name the thread again in Codex, so that its list of names has the name too"
        self._report("codex_row_differs", thread, f"Codex's row of thread {thread} differs: {columns}{backing}", repair)

    def _report_counts(self) -> None:
        for (column, reason), count in sorted(self._meant.items()):
            rows = f"{count} thread{'' if count == 1 else 's'}"
            found = f"{column} differs in {rows}, which is meant: {reason}"
            self._findings.add(Area.CODEX, "codex_meant", Severity.OK, found, subject=column)
        if self._in_use:
            self._note("codex_in_use", "", f"{self._in_use} threads are just being written to, and were not compared")
        self._findings.add(
            Area.CODEX,
            "codex_compared",
            Severity.OK,
            f"{self._compared} threads were compared with Codex's database {self._path}",
        )

    def _report(self, code: str, thread: str, found: str, repair: str) -> None:
        self._findings.add(Area.CODEX, code, Severity.WARNING, found, subject=thread, repair=repair)

    def _note(self, code: str, subject: str, found: str) -> None:
        self._findings.add(Area.CODEX, code, Severity.NOTE, found, subject=subject)


_LAST = "\U0010ffff"
"""Greater than every id."""


class _Ahead:
    """How far one side was read."""

    def __init__(self) -> None:
        self.after = ""
        self.is_done = False

    def took(self, last: str | None, *, is_last: bool) -> None:
        """A page was taken, up to `last`."""
        self.after = last or self.after
        self.is_done = is_last


def _exists(path: str) -> bool:
    return any(_is_there(name) for name in _names(path))


def _names(path: str) -> Iterator[str]:
    yield path
    yield path.removesuffix(".zst") if path.endswith(".zst") else f"{path}.zst"


def _is_there(path: str) -> bool:
    try:
        return "\0" not in path and os.path.lexists(path)
    except ValueError:
        return False
