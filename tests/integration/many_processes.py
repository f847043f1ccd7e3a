"""Many real processes on one store: killed and frozen at random, until every job has ended; then the books are read.

    python -m tests.integration.many_processes --processes 8 --jobs 2000 --seed 1

It prints what happened and what came of it, and ends with 1 when a law was broken. The seed chooses when is killed and
who; what the machine makes of it differs from run to run.
"""

import argparse
import json
import random
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import apsw
import attrs
import trio

from chaos.history import Finding, History
from chaos.history_file import read_history
from chaos.job_state import JobEnd, JobState
from chaos.operations import Answer, Operation
from state.folder import StateFolder
from state.ids import ThreadId
from state.messages.backfill import ClaimBackfill, FinishBackfill, RecordRollouts, RegisterRollouts
from state.messages.extraction import (
    ClaimExtraction,
    ExtractionClaimed,
    ExtractionFinished,
    FailExtraction,
    FinishExtraction,
    ReleaseExtraction,
)
from state.messages.leases import NotOwner
from state.messages.service import LeasesReturned
from state.store import open_store
from tests.fakes.job_rows import job_rows
from tests.fakes.lease_contender import Contender, Contenders, Terms, contenders
from tests.fakes.memory_state import terms
from tests.fakes.other_process import CODEX_HOME
from tests.fakes.readings import SCAN, facts, found, path_of, read

CHUNK = 250
POLL_SECONDS = 0.02
END_SECONDS_MAX = 30.0


@attrs.frozen(kw_only=True)
class Plan:
    """What to do.

    Attributes:
      crashes: how often a process is killed or frozen; spread over the run by how many jobs have ended.
      seconds_max: a run that takes longer has a job that is stuck.
    """

    processes: int
    jobs: int
    seed: int
    crashes: int
    slots: int = 4
    lease_ms: int = 1_000
    work_ms_max: int = 300
    hurry: int = 200
    seconds_max: float = 300.0


@attrs.frozen(kw_only=True)
class Report:
    """What happened, in numbers, and every law that was broken.

    Attributes:
      finishes: finishes that were acknowledged; lost_finishes: that only the row tells of.
      taken_over: claims of a job whose owner before had not ended it: after a death or at the end of a lease.
      returned: leases that a reaper returned.
      refused: dead tokens that were shown and refused.
    """

    seconds: float
    claims: int
    finishes: int
    lost_finishes: int
    failures: int
    releases: int
    taken_over: int
    returned: int
    refused: int
    kills: int
    freezes: int
    answers_lost: int
    statuses: dict[str, int]
    broken: tuple[str, ...]


def run(plan: Plan, folder: Path) -> Report:
    """Do it in an empty folder.

    Raises:
      AssertionError: a process ended by itself, or a job is stuck.
    """
    state = StateFolder(path=folder / "state")
    trio.run(_index, state, plan.jobs)
    contender_terms = Terms(
        state=str(state.path),
        record=str(folder / "history"),
        seed=str(plan.seed),
        slots=plan.slots,
        lease_ms=plan.lease_ms,
        work_ms_max=plan.work_ms_max,
        hurry=plan.hurry,
    )
    with contenders(contender_terms) as started:
        began = time.monotonic()
        freezes = _fight(plan, state, started)
        seconds = time.monotonic() - began
        for one in started.living:
            code = one.end(END_SECONDS_MAX)
            assert code == 0, f"seed {plan.seed}: {one.record.name} ended with {code}"
        operations = [
            operation for one in started.all if one.record.exists() for operation in read_history(one.record, one.died)
        ]
        kills = sum(one.died is not None for one in started.all)
    return _report(operations, job_rows(state), seconds=seconds, kills=kills, freezes=freezes)


async def _index(state: StateFolder, jobs: int) -> None:
    async with open_store(state, CODEX_HOME) as store:
        await store.ask(ClaimBackfill(terms=terms(SCAN, process="scanner")))
        for first in range(1, jobs + 1, CHUNK):
            numbers = range(first, min(first + CHUNK, jobs + 1))
            files = [found(path_of(number)) for number in numbers]
            await store.ask(RegisterRollouts(token=SCAN, found=tuple(files)))
            outcomes = tuple(read(file, facts(number)) for file, number in zip(files, numbers, strict=True))
            await store.ask(RecordRollouts(token=SCAN, model_provider_default="openai", outcomes=outcomes))
        await store.ask(FinishBackfill(token=SCAN, listed=True))


def _fight(plan: Plan, state: StateFolder, started: Contenders) -> int:
    """Kill and freeze until every job has ended; answer how often was frozen."""
    chance = random.Random(plan.seed)
    crash_at = sorted(chance.sample(range(1, plan.jobs), plan.crashes))
    for _ in range(plan.processes):
        started.start()
    frozen: list[tuple[float, Contender]] = []
    freezes = 0
    give_up_at = time.monotonic() + plan.seconds_max
    connection = apsw.Connection(str(state.database), flags=apsw.SQLITE_OPEN_READONLY)
    connection.set_busy_timeout(10_000)
    try:
        while (ended := _ended(connection)) < plan.jobs:
            now = time.monotonic()
            assert now < give_up_at, f"seed {plan.seed}: {ended} of {plan.jobs} jobs ended; the rest is stuck"
            for one in started.all:
                assert one.died or one.process.poll() is None, f"seed {plan.seed}: {one.record.name} ended by itself"
            if frozen and frozen[0][0] <= now:
                frozen.pop(0)[1].thaw()
            ready = [one for one in started.living if one.is_at_work and not one.is_frozen]
            if crash_at and ended >= crash_at[0] and len(ready) > 1:
                crash_at.pop(0)
                victim = chance.choice(ready)
                time.sleep(chance.uniform(0, 0.05))
                if chance.random() < 0.25 and not frozen:
                    victim.freeze()
                    freezes += 1
                    frozen.append((now + plan.lease_ms / 1000 * chance.uniform(1, 3), victim))
                else:
                    victim.kill()
                    started.start()
            time.sleep(POLL_SECONDS)
    finally:
        connection.close()
        for _, one in frozen:
            one.thaw()
    return freezes


def _ended(connection: apsw.Connection) -> int:
    ((ended,),) = connection.execute(
        "SELECT count(*) FROM extraction_jobs WHERE status IN ('succeeded', 'empty', 'dead')"
    ).fetchall()
    assert isinstance(ended, int)
    return ended


def _report(
    operations: list[Operation], rows: dict[ThreadId, JobEnd], *, seconds: float, kills: int, freezes: int
) -> Report:
    # That a claim found nothing is not held against every one of so many jobs: their order in time is too coarse.
    history = History(operations=operations, idle_claims=False)
    findings = history.judge({job: (JobState(), row) for job, row in rows.items()})
    jobs = _jobs_of_tokens(operations)
    finished = Counter(
        jobs[operation.request.token]
        for operation in operations
        if isinstance(operation.request, FinishExtraction) and isinstance(operation.answer, ExtractionFinished)
    )
    by_row = [job for job, row in rows.items() if row.status == "succeeded" and not finished[job]]
    answered = [operation for operation in operations if not isinstance(operation.answer, Answer)]
    return Report(
        seconds=round(seconds, 2),
        claims=sum(isinstance(one.answer, ExtractionClaimed) for one in answered),
        finishes=finished.total(),
        lost_finishes=len(by_row),
        failures=_accepted(answered, FailExtraction),
        releases=_accepted(answered, ReleaseExtraction),
        taken_over=_taken_over(answered),
        returned=sum(one.answer.extractions for one in answered if isinstance(one.answer, LeasesReturned)),
        refused=sum(one.answer == NotOwner() for one in answered),
        kills=kills,
        freezes=freezes,
        answers_lost=sum(one.answer is Answer.LOST for one in operations),
        statuses=dict(Counter(row.status for row in rows.values())),
        broken=(*_told(findings), *_not_once(rows, finished, operations)),
    )


def _jobs_of_tokens(operations: list[Operation]) -> dict[str, ThreadId]:
    return {
        operation.request.terms.token: operation.answer.thread_id
        for operation in operations
        if isinstance(operation.request, ClaimExtraction) and isinstance(operation.answer, ExtractionClaimed)
    }


def _accepted(answered: list[Operation], request: type[object]) -> int:
    return sum(isinstance(one.request, request) and one.answer != NotOwner() for one in answered)


def _taken_over(answered: list[Operation]) -> int:
    """Claims of jobs that the owner before had not ended, as far as anybody was told."""
    ended = {
        one.request.token
        for one in answered
        if isinstance(one.request, FinishExtraction | FailExtraction | ReleaseExtraction) and one.answer != NotOwner()
    }
    claims = {
        (one.answer.thread_id, one.answer.fencing_number): one.request.terms.token
        for one in answered
        if isinstance(one.request, ClaimExtraction) and isinstance(one.answer, ExtractionClaimed)
    }
    return sum(number > 1 and claims.get((job, number - 1)) not in ended for job, number in claims)


def _told(findings: list[Finding]) -> list[str]:
    return [f"{finding.law.value} ({finding.job}):\n{finding.story}" for finding in findings]


def _not_once(rows: dict[ThreadId, JobEnd], finished: Counter[ThreadId], operations: list[Operation]) -> list[str]:
    """Jobs that were not finished exactly once. A finish whose answer was lost counts when the row tells its token."""
    lost = {
        operation.request.token
        for operation in operations
        if isinstance(operation.request, FinishExtraction) and operation.answer is Answer.LOST
    }
    broken = []
    for job, row in rows.items():
        times = finished[job] + (finished[job] == 0 and row.saved in lost)
        if row.status == "succeeded" and times != 1:
            broken.append(f"{job} was finished {times} times: {row}")
        if row.status != "succeeded" and (row.status != "dead" or times):
            broken.append(f"{job} ended wrongly: {row}")
    return broken


def main() -> None:
    """Run as the command line says; print the report as JSON."""
    parser = argparse.ArgumentParser(description="Many processes fight for jobs and are killed.")
    for name, default in (("processes", 8), ("jobs", 2000), ("seed", 1), ("crashes", 60)):
        parser.add_argument(f"--{name}", type=int, default=default)
    for name, default in (("slots", 4), ("lease-ms", 1_000), ("work-ms-max", 300)):
        parser.add_argument(f"--{name}", type=int, default=default)
    plan = Plan(**vars(parser.parse_args()))
    print(f"seed {plan.seed}", file=sys.stderr)
    with tempfile.TemporaryDirectory() as folder:
        report = run(plan, Path(folder))
    print(json.dumps({**attrs.asdict(plan), **attrs.asdict(report)}, indent=2))
    sys.exit(1 if report.broken else 0)


if __name__ == "__main__":
    main()
