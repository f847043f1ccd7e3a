"""A process that works as the service's workers do and stops itself, by SIGSTOP, at one place of its work.

    python -m tests.fakes.late_owner PLAN      PLAN: a JSON object, see Plan

Without a place to stop it works until nothing is left, however
long it has to wait for somebody's lease: so it takes over from one that stopped.
"""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import aclosing, contextmanager
from pathlib import Path
from typing import Any, TypeVar

import attrs
import trio

import workers.consolidation.worker
import workers.extraction.worker
from config.settings import ExtractionSettings, Settings
from state.folder import StateFolder
from state.messages.base import Request
from state.messages.consolidation import GetConsolidationTotals
from state.messages.extraction import Eligibility, GetExtractionTotals, JobStatus
from state.store import StateHandle, open_store
from tests.fakes.other_process import ROOT
from workers.consolidation.worker import Consolidation
from workers.extraction.worker import Extraction
from workers.models.choose import provider_named
from workers.progress import NoProgress

ReplyT = TypeVar("ReplyT")

SETTINGS = Settings(extraction=ExtractionSettings(min_rollout_idle_hours=0.0, workers=1))
LOOK_SECONDS = 0.05
OPEN = {JobStatus.PENDING, JobStatus.RUNNING, JobStatus.RETRY}


@attrs.frozen(kw_only=True)
class Plan:
    """What to do.

    Attributes:
      workers: "extraction", "consolidation", in this order; each until nothing can be claimed.
      lease_ms: of every claim, in the place of what the service has.
      stop: "before NAME" or "after NAME": at the first request of that name, after a publication if it is PointCurrent;
        None: nowhere.
    """

    state: str
    codex_home: str
    workers: tuple[str, ...]
    lease_ms: int
    stop: str | None


class StoppingHandle(StateHandle):
    """The store, and a place of the story at which the whole process is stopped until somebody lets it go on."""

    def __init__(self, inner: StateHandle, stop: str | None) -> None:
        super().__init__(inner.folder, inner.process, inner.clock, None, inner._reader)
        self._inner = inner
        self._stop = stop
        self._published = False

    async def ask(self, request: Request[ReplyT]) -> ReplyT:
        name = type(request).__name__
        self._stop_at(f"before {name}")
        reply = await self._inner.ask(request)
        self._published |= name == "PublishConsolidation"
        self._stop_at(f"after {name}")
        return reply

    def _stop_at(self, place: str) -> None:
        if place != self._stop or (place.endswith("PointCurrent") and not self._published):
            return
        self._stop = None
        os.kill(os.getpid(), signal.SIGSTOP)


@attrs.frozen
class LateOwner:
    """A started process."""

    process: "subprocess.Popen[str]"

    def wait_stopped(self) -> None:
        """Wait until it stands still."""
        _, status = os.waitpid(self.process.pid, os.WUNTRACED)
        assert os.WIFSTOPPED(status), f"it ended with {status} and never came to the place where it should stop"

    def go_on(self) -> None:
        """Wake it."""
        self.process.send_signal(signal.SIGCONT)

    def wait(self) -> None:
        """Wait until its work is done and it has ended."""
        assert self.process.wait(60) == 0


@contextmanager
def late_owner(plan: Plan) -> Iterator[LateOwner]:
    """Start one; it ends with the block, stopped or not."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.fakes.late_owner", json.dumps(attrs.asdict(plan))],
        stdout=subprocess.DEVNULL,  # logs; what goes wrong is said on stderr
        text=True,
        cwd=ROOT,
    )
    with process:
        try:
            yield LateOwner(process)
        finally:
            process.kill()


async def _work(handle: StoppingHandle, plan: Plan) -> None:
    home = Path(plan.codex_home)
    for worker in plan.workers:
        if worker == "extraction":
            async with aclosing(provider_named(SETTINGS)) as provider:
                await Extraction(handle, home, SETTINGS, provider, NoProgress()).run(until_done=True)
        else:
            await Consolidation(handle, home, SETTINGS, NoProgress()).run(until_done=True)


async def _is_anything_left(handle: StateHandle, plan: Plan) -> bool:
    jobs = await handle.ask(GetExtractionTotals(eligibility=Eligibility.from_settings(SETTINGS.extraction)))
    scopes = await handle.ask(GetConsolidationTotals())
    left: dict[str, Any] = {
        "extraction": OPEN & set(jobs.jobs_by_status),
        "consolidation": scopes.dirty or scopes.running,
    }
    return any(left[worker] for worker in plan.workers)


async def _run(plan: Plan) -> None:
    for module, name in (
        (workers.extraction.worker, "EXTRACTION_LEASE_MS"),
        (workers.consolidation.worker, "CONSOLIDATION_LEASE_MS"),
    ):
        assert hasattr(module, name)
        setattr(module, name, plan.lease_ms)
    async with open_store(StateFolder(path=Path(plan.state)), plan.codex_home) as store:
        handle = StoppingHandle(store, plan.stop)
        stops = plan.stop is not None
        await _work(handle, plan)
        while not stops and await _is_anything_left(handle, plan):
            await trio.sleep(LOOK_SECONDS)
            await _work(handle, plan)


if __name__ == "__main__":
    _plan = json.loads(sys.argv[1])
    trio.run(_run, Plan(**{**_plan, "workers": tuple(_plan["workers"])}))
