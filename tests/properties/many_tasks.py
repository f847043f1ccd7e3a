"""Stories of many tasks that fight for a few extraction jobs in one store, told by Hypothesis and written down.

Each worker follows a script: it claims, renews, ends, gives back, waits until the clock has moved past its lease, dies,
is cancelled while it asks, never hears an answer, or shows tokens that died long ago. The clock steps to the end of a
lease, one before it and one past it. What was asked and answered is the history that `chaos.history` judges.
"""

import tempfile
from pathlib import Path

import attrs
import trio
from hypothesis import strategies as st

from chaos.history import Finding, History
from chaos.job_state import JobState
from chaos.operations import Operation
from chaos.recorder import MemoryRecord, RecordedHandle
from state.folder import StateFolder
from state.ids import OwnershipToken, ThreadId
from state.messages.backfill import ClaimBackfill, RecordRollouts, RegisterRollouts
from state.messages.extraction import ExtractionClaimed, NothingToExtract
from state.messages.service import ListProcesses
from state.rules.backoff import BACKOFF_MS_MIN
from state.store import StateHandle, open_store
from tests.fakes.clock import ManualClock
from tests.fakes.job_rows import job_rows
from tests.fakes.memory_state import terms
from tests.fakes.readings import SCAN, facts, found, path_of, read, thread_id
from tests.properties.script_worker import LEASE_MS, Step, Turnstile, Worker, claim_of, finish_of

MEMORY_DISK = "/dev/shm" if Path("/dev/shm").is_dir() else None
"""No law here is about the disk, and every story has a store of its own."""

JANITOR_ASKS_MAX = 200
"""More than any story leaves to be done."""


@attrs.frozen(kw_only=True)
class Tick:
    """The clock goes on by `ms` after the store was looked at `gap` times."""

    gap: int
    ms: int


@attrs.frozen(kw_only=True)
class Story:
    """What happens: a script for each worker, the clock's steps, and how often the first job's thread grows."""

    jobs: int
    scripts: tuple[tuple[Step, ...], ...]
    ticks: tuple[Tick, ...]
    growths: int


@attrs.frozen(kw_only=True)
class Told:
    """What became of a story. story: see Finding."""

    operations: list[Operation]
    findings: list[Finding]
    statuses: dict[ThreadId, str]


STEPS = st.builds(
    Step,
    action=st.sampled_from(
        ["claim", "claim", "claim", "renew", "finish", "fail", "give up", "outage", "release", "freeze", "die"]
    ),
    fate=st.sampled_from(["plain", "plain", "plain", "plain", "cancelled", "lost"]),
    patience=st.integers(0, 3),
    dead_token=st.none() | st.integers(0, 20),
)

STORIES = st.builds(
    Story,
    jobs=st.integers(1, 3),
    scripts=st.lists(st.lists(STEPS, min_size=1, max_size=12).map(tuple), min_size=2, max_size=6).map(tuple),
    ticks=st.lists(
        st.builds(
            Tick,
            gap=st.integers(0, 4),
            ms=st.sampled_from([1, LEASE_MS - 1, LEASE_MS, LEASE_MS + 1, BACKOFF_MS_MIN]),
        ),
        max_size=8,
    ).map(tuple),
    growths=st.integers(0, 2),
)


def tell(story: Story, *, inline: bool) -> Told:
    """Let it happen on a store of its own, in the askers' thread or in a thread of the store's own."""
    with tempfile.TemporaryDirectory(dir=MEMORY_DISK) as folder:
        return trio.run(_tell, story, StateFolder(path=Path(folder) / "state"), inline)


async def _tell(story: Story, folder: StateFolder, inline: bool) -> Told:
    clock = ManualClock()
    record = MemoryRecord(clock)
    jobs = [thread_id(number) for number in range(1, story.jobs + 1)]
    async with open_store(folder, "/home/ann/.codex", clock=clock, inline=inline) as store:
        await _index(store, story.jobs)
        shown: list[OwnershipToken] = []
        turnstile = Turnstile(is_needed=not inline)
        workers = [Worker(number, store, record, shown, turnstile) for number in range(len(story.scripts))]
        async with trio.open_nursery() as nursery:
            for worker, script in zip(workers, story.scripts, strict=True):
                nursery.start_soon(worker.follow, script)
            nursery.start_soon(_let_grow, store, record, story.growths)
            await _let_time_pass(store, clock, story.ticks, workers, turnstile)
        await _do_the_rest(RecordedHandle(store, record, "janitor"), clock)
    ends = job_rows(folder)
    history = History(operations=record.operations)
    return Told(
        operations=record.operations,
        findings=history.judge({job: (JobState(), ends[job]) for job in jobs}),
        statuses={job: ends[job].status for job in jobs},
    )


async def _index(store: StateHandle, jobs: int) -> None:
    await store.ask(ClaimBackfill(terms=terms(SCAN, process="scanner", lease_ms=86_400_000)))
    for number in range(1, jobs + 1):
        await _record(store, number, revision=1)


async def _record(store: StateHandle, number: int, *, revision: int) -> None:
    """Let thread `number` have the content of this revision."""
    file = found(path_of(number), size_bytes=100 + revision)
    content = facts(number, content_digest=f"digest-{revision}")
    await store.ask(RegisterRollouts(token=SCAN, found=(file,)))
    await store.ask(RecordRollouts(token=SCAN, model_provider_default="openai", outcomes=(read(file, content),)))


async def _let_grow(store: StateHandle, record: MemoryRecord, growths: int) -> None:
    for revision in range(2, growths + 2):
        await _look_at(store, 3)
        recorded = record.growing(thread_id(1), revision)
        await _record(store, 1, revision=revision)
        recorded(None)


async def _let_time_pass(
    store: StateHandle, clock: ManualClock, ticks: tuple[Tick, ...], workers: list[Worker], turnstile: Turnstile
) -> None:
    for tick in ticks:
        await _look_at(store, tick.gap)
        async with turnstile.moving():
            clock.advance(tick.ms)
        for worker in workers:
            worker.time_passed()
    for worker in workers:
        worker.stop_waiting()


async def _look_at(store: StateHandle, times: int) -> None:
    """Let some time go by: as long as the store needs to answer so many questions."""
    for _ in range(times):
        await store.ask(ListProcesses())


async def _do_the_rest(handle: RecordedHandle, clock: ManualClock) -> None:
    """Finish what can be claimed, letting leases and waits run out, until nothing is left."""
    for number in range(JANITOR_ASKS_MAX):
        token = OwnershipToken(f"janitor-{number}")
        claimed = await handle.ask(claim_of(token, process="janitor"))
        if isinstance(claimed, ExtractionClaimed):
            await handle.ask(finish_of(token))
            continue
        assert isinstance(claimed, NothingToExtract)
        if not _is_anything_open(handle):
            return
        clock.advance(max(LEASE_MS, claimed.next_due_in_ms or 0))
    raise AssertionError("a job is stuck: nobody gets it and it does not end")


def _is_anything_open(handle: RecordedHandle) -> bool:
    return any(end.status in ("pending", "retry", "running") for end in job_rows(handle.folder).values())
