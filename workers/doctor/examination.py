"""One examination: every check in turn, each on what the one before it left usable.

    machine, configuration, model -> state folder -> Codex home -> database -> processes -> files -> folds -> memories
    -> Codex's database

Nothing is written. A check that cannot be made is a finding and never the end of the others.
"""

import os
from collections.abc import AsyncIterator, Awaitable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager

import attrs
import trio

from config import Paths, Settings
from state.codex_copy import forsaken_copies
from state.errors import StateError
from state.folder import StateFolder
from state.store import StateHandle, open_store_for_reading
from workers.doctor.codex_home import check_codex_home
from workers.doctor.codex_index import check_codex_index
from workers.doctor.environment import check_configuration, check_machine, check_watching
from workers.doctor.files import Survey, check_files, survey_unindexed
from workers.doctor.finding import Area, Finding, Findings, Severity
from workers.doctor.folds import check_folds
from workers.doctor.handed_over import check_handed_over
from workers.doctor.jobs import check_jobs
from workers.doctor.log_database import check_log_database
from workers.doctor.processes import check_locks, check_processes
from workers.doctor.provider import check_provider
from workers.doctor.publications import check_publications
from workers.doctor.state_folder import check_database, check_folder
from workers.progress import Progress

UNASKABLE = (
    "database_damaged", "database_unreadable", "schema", "schema_older", "state_unusable", "state_folder",
    "index_unreadable",
)  # fmt: skip
"""Findings that say why an index that is there cannot be asked."""


@attrs.frozen(kw_only=True)
class Patient:
    """What is examined, and how.

    Attributes:
      config_trouble: why the configuration was not understood; `settings` are then the defaults.
      deep: fold every file, not a sample.
    """

    paths: Paths
    settings: Settings
    config_trouble: str | None
    deep: bool

    @property
    def folder(self) -> StateFolder:
        """The state folder."""
        return StateFolder(path=self.paths.state_dir)


@attrs.frozen(kw_only=True)
class Examined:
    """How much was looked at."""

    rollouts: int = 0
    indexed: int = 0
    folded: int = 0
    codex_threads: int = 0


@attrs.frozen(kw_only=True)
class Diagnosis:
    """What an examination, or a repair with the examination after it, gave.

    Attributes:
      counts: how many findings of each code there are, those that are left out included.
      actions: what was done, one sentence each.
      repaired: how many of the findings that were there before are gone.
    """

    ok: bool
    findings: tuple[Finding, ...]
    counts: Mapping[str, int]
    examined: Examined
    actions: tuple[str, ...] = ()
    repaired: int = 0


async def do_doctor(patient: Patient, progress: Progress, *, repair: bool) -> Diagnosis:
    """Examine; repair what can be, if told; and then examine again."""
    findings, examined = await examine(patient, progress)
    actions: list[str] = []
    repaired = 0
    if repair and any(finding.can_repair for finding in findings.kept):
        # Imported here: looking needs none of it.
        from workers.doctor.repair import mend

        before = findings
        actions = await mend(patient, findings, progress)
        findings, examined = await examine(patient, progress)
        codes = {finding.code for finding in before.kept if finding.can_repair}
        repaired = sum(max(before.counts[code] - findings.counts[code], 0) for code in codes)
    return Diagnosis(
        ok=not findings.is_wrong,
        findings=tuple(findings.kept),
        counts=dict(findings.counts),
        examined=examined,
        actions=tuple(actions),
        repaired=repaired,
    )


async def examine(patient: Patient, progress: Progress) -> tuple[Findings, Examined]:
    """Make every check."""
    findings = Findings()
    paths, settings, folder = patient.paths, patient.settings, patient.folder
    await trio.to_thread.run_sync(check_machine, findings)
    await trio.to_thread.run_sync(check_configuration, findings, paths, settings, patient.config_trouble)
    await check_provider(findings, settings)
    is_usable = await trio.to_thread.run_sync(check_folder, findings, folder, settings)
    if is_usable:
        await trio.to_thread.run_sync(check_log_database, findings, folder)
    await trio.to_thread.run_sync(_check_forsaken_copies, findings)
    folders = await trio.to_thread.run_sync(check_codex_home, findings, paths.codex_home)
    await trio.to_thread.run_sync(
        check_watching, findings, folders, settings.backfill.rescan_seconds_while(watched=False)
    )
    is_sound = is_usable and await trio.to_thread.run_sync(check_database, findings, folder)
    examination = _OfIndex(findings, patient, progress)
    async with _reading(findings, patient, is_sound=is_sound) as handle:
        return findings, await examination.make(handle)


class _OfIndex:
    """The checks that ask the index, or stand in for it."""

    def __init__(self, findings: Findings, patient: Patient, progress: Progress) -> None:
        self._findings = findings
        self._patient = patient
        self._progress = progress
        self._survey: Survey | None = None
        self._folded = self._codex_threads = 0

    async def make(self, handle: StateHandle | None) -> Examined:
        """Make them. Each is made although another could not be."""
        if handle is not None:
            await self._try("index", self._check_index(handle))
            await self._try("jobs", check_jobs(self._findings, handle))
            await self._try("memories", check_publications(self._findings, handle))
            patient = self._patient
            handed_over = check_handed_over(self._findings, handle, patient.paths.codex_home, patient.settings)
            await self._try("publishing", handed_over)
        if self._survey is None:
            self._survey = await survey_unindexed(
                self._findings,
                self._patient.paths.codex_home,
                is_new=not self._findings.has(*UNASKABLE),
            )
            handle = None
        await self._try("codex", self._check_codex(handle))
        return Examined(
            rollouts=len(self._survey.found),
            indexed=len(self._survey.current),
            folded=self._folded,
            codex_threads=self._codex_threads,
        )

    async def _check_index(self, handle: StateHandle) -> None:
        findings, patient = self._findings, self._patient
        census = await check_processes(findings, handle)
        await check_locks(findings, handle)
        codex_home, settings = patient.paths.codex_home, patient.settings
        survey = await check_files(findings, handle, codex_home, settings, is_served=census.is_served)
        self._survey = survey
        self._folded = await check_folds(
            findings, handle, codex_home, settings, survey, self._progress, deep=patient.deep
        )

    async def _check_codex(self, handle: StateHandle | None) -> None:
        assert self._survey is not None
        patient = self._patient
        self._codex_threads = await check_codex_index(
            self._findings,
            handle,
            patient.paths.codex_home,
            patient.settings,
            os.environ,
            self._survey,
            self._progress,
        )

    async def _try(self, what: str, check: Awaitable[object]) -> None:
        try:
            await check
        except StateError as error:
            self._findings.add(
                Area.STATE,
                "index_unreadable",
                Severity.ERROR,
                f"the index could not be asked: {error}",
                subject=what,
                repair=error.hint or "look again; if it stays so, `memoryd once` checks the database",
            )


@asynccontextmanager
async def _reading(findings: Findings, patient: Patient, *, is_sound: bool) -> AsyncIterator[StateHandle | None]:
    """The index, for reading; None when there is none, or it cannot be asked, which is then a finding."""
    async with AsyncExitStack() as stack:
        handle = None
        if is_sound:
            opening = open_store_for_reading(patient.folder, str(patient.paths.codex_home))
            try:
                handle = await stack.enter_async_context(opening)
            except StateError as error:
                findings.add(
                    Area.STATE,
                    "state_unusable",
                    Severity.ERROR,
                    str(error),
                    subject=str(patient.folder.path),
                    repair=error.hint,
                )
        yield handle


def _check_forsaken_copies(findings: Findings) -> None:
    for path in forsaken_copies():
        findings.add(
            Area.ENVIRONMENT,
            "copy_forsaken",
            Severity.NOTE,
            f"{path} holds a copy of Codex's database that a doctor who was killed left behind",
            subject=str(path),
            repair="--repair removes it",
            can_repair=True,
        )
