"""Running scenarios in several processes at once: each has a folder of its own, and none knows of the others."""

import collections
import contextlib
import itertools
import multiprocessing
import os
import signal
import threading
from collections.abc import Generator, Iterable
from concurrent.futures import Future, ProcessPoolExecutor
from pathlib import Path

from chaos.simulator.run import Scenario, Verdict, disk, simulate

AHEAD = 2
"""So many scenarios wait for each process, so that none is idle."""


def verdicts(scenarios: Iterable[Scenario], jobs: int) -> Generator[Verdict, None, None]:
    """The verdict of each scenario, in their order. Whoever stops listening ends what is still at work.

    Args:
      jobs: how many processes; with 1 it happens in this one.
    """
    if jobs == 1:
        with disk() as root:
            for scenario in scenarios:
                yield simulate(scenario, root)
        return
    # Spawned, never forked: a fork would share locks and open files.
    pool = ProcessPoolExecutor(jobs, mp_context=multiprocessing.get_context("spawn"), initializer=_begin)
    waiting: collections.deque[Future[Verdict]] = collections.deque()
    left = iter(scenarios)
    try:
        waiting.extend(pool.submit(_simulate, scenario) for scenario in itertools.islice(left, jobs * AHEAD))
        while waiting:
            yield waiting.popleft().result()
            waiting.extend(pool.submit(_simulate, scenario) for scenario in itertools.islice(left, 1))
    finally:
        pool.shutdown(cancel_futures=True)


def jobs_by_default(seeds: int) -> int:
    """One process for each core, and none for a handful of seeds: to start one takes as long as two of them."""
    return max(1, min(os.cpu_count() or 1, seeds // 4))


_root: Path | None = None


def _begin() -> None:
    """Begin in a process of the pool; its end is its parent's business."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, name="end with parent", daemon=True).start()


def _end_with_parent() -> None:
    """A pool waits for work for ever, also when nobody is left who could give any."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)


def _simulate(scenario: Scenario) -> Verdict:
    global _root
    if _root is None:
        # Given back when the process ends, or taken over by the next simulation if it is killed.
        _root = _kept.enter_context(disk())
        multiprocessing.util.Finalize(None, _kept.close, exitpriority=10)
    return simulate(scenario, _root)


_kept = contextlib.ExitStack()
