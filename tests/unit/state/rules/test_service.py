"""Processes and workers: who is entered, and what a dead one leaves behind."""

from state.ids import ProcessUuid
from state.messages.backfill import ClaimBackfill, FinishBackfill
from state.messages.leases import NotOwner
from state.messages.service import (
    ExplainWorker,
    LeasesReturned,
    ListProcesses,
    ListWorkers,
    RegisterProcess,
    ReportWorker,
    ReturnLeases,
    WorkerState,
)
from tests.fakes import consolidation, extraction
from tests.fakes.consolidation import remember
from tests.fakes.memory_state import MemoryState, terms
from tests.fakes.readings import SCAN, facts, index

FIRST, SECOND = ProcessUuid("first"), ProcessUuid("second")


def report(state: MemoryState, process: ProcessUuid, worker_state: WorkerState, crashes: int = 0) -> None:
    """Report the state of a process's one worker."""
    state.ask(ReportWorker(process=process, worker="backfill", state=worker_state, crashes=crashes, reason=None))


def test_processes_are_listed_oldest_first_and_entered_once(state: MemoryState) -> None:
    state.ask(RegisterProcess(process=SECOND, pid=2))
    state.clock.advance(1)
    state.ask(RegisterProcess(process=FIRST, pid=1))
    state.ask(RegisterProcess(process=SECOND, pid=99))

    entered = state.ask(ListProcesses())

    assert [(process.process, process.pid) for process in entered] == [(SECOND, 2), (FIRST, 1)]
    assert {process.boot_id for process in entered} == {state.clock.boot_id}


def test_dead_process_gives_back_all_that_it_held_and_is_struck_out(state: MemoryState) -> None:
    remember(state, 1)
    index(state, facts(2))
    index(state, facts(3))
    state.ask(FinishBackfill(token=SCAN, listed=True))
    for process in (FIRST, SECOND):
        state.ask(RegisterProcess(process=process, pid=1))
        report(state, process, WorkerState.RUNNING)
    state.ask(ClaimBackfill(terms=terms("scan", process=FIRST)))
    extraction.claimed(state, "mine", process=FIRST)
    extraction.claimed(state, "others", process=SECOND)
    consolidation.claimed(state, "scope", process=FIRST)

    returned = state.ask(ReturnLeases(process=FIRST))

    assert returned == LeasesReturned(backfills=1, extractions=1, consolidations=1)
    assert returned.total == 3
    assert state.ask(ReturnLeases(process=FIRST)).total == 0
    assert [process.process for process in state.ask(ListProcesses())] == [SECOND]
    assert [health.process for health in state.ask(ListWorkers())] == [SECOND]
    assert state.rows("SELECT ownership_token FROM extraction_jobs WHERE status = 'running'") == [("others",)]


def test_attempt_that_killed_its_worker_stays_counted(state: MemoryState) -> None:
    index(state, facts(1))
    extraction.claimed(state, "one", process=FIRST)

    state.ask(ReturnLeases(process=FIRST))

    assert state.rows("SELECT attempts, given_back FROM extraction_jobs") == [(1, 0)]


def test_token_of_a_struck_out_process_is_dead(state: MemoryState) -> None:
    index(state, facts(1))
    extraction.claimed(state, "one", process=FIRST)
    state.ask(ReturnLeases(process=FIRST))
    before = state.tables()

    assert extraction.finish(state, "one", extraction.draft()) == NotOwner()
    assert state.tables() == before


def test_health_of_a_worker_is_its_last_report(state: MemoryState) -> None:
    state.ask(RegisterProcess(process=FIRST, pid=1))
    report(state, FIRST, WorkerState.RUNNING)
    state.clock.advance(5)
    report(state, FIRST, WorkerState.DOWN, crashes=6)

    (health,) = state.ask(ListWorkers())

    assert (health.worker, health.state, health.crashes, health.since_ms) == (
        "backfill",
        WorkerState.DOWN,
        6,
        state.clock.wall_ms,
    )


def test_report_of_a_process_that_is_not_entered_is_dropped(state: MemoryState) -> None:
    report(state, FIRST, WorkerState.RUNNING)

    assert state.ask(ListWorkers()) == ()


def test_what_hinders_a_worker_is_said_beside_its_state_and_taken_back(state: MemoryState) -> None:
    state.ask(RegisterProcess(process=FIRST, pid=1))
    report(state, FIRST, WorkerState.RUNNING, crashes=2)
    for reason in ("no changes are heard", None):
        state.ask(ExplainWorker(process=FIRST, worker="backfill", reason=reason))
        (health,) = state.ask(ListWorkers())

        assert (health.state, health.crashes, health.reason) == (WorkerState.RUNNING, 2, reason)


def test_worker_that_was_never_reported_cannot_be_explained(state: MemoryState) -> None:
    state.ask(RegisterProcess(process=FIRST, pid=1))
    state.ask(ExplainWorker(process=FIRST, worker="backfill", reason="no changes are heard"))

    assert state.ask(ListWorkers()) == ()
