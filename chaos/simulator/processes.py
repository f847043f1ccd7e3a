"""Running scenarios in several processes at once: each has a folder of its own, and none knows of the others.

The process that asks is one of them, so that it is not idle, and has its first verdicts before another one has started.
"""

import contextlib
import itertools
import multiprocessing
import multiprocessing.connection
import os
import signal
from collections.abc import Generator, Iterable
from multiprocessing.connection import Connection
from typing import Any

import outcome

from chaos.simulator.run import Scenario, Verdict, disk, simulate

AHEAD = 2
"""So many scenarios wait for each process, so that none is idle."""

KEPT_PER_PROCESS = 4
"""So many verdicts may wait for an earlier one that another process is at; a broken law makes all of them worthless."""


def verdicts(scenarios: Iterable[Scenario], jobs: int) -> Generator[Verdict, None, None]:
    """The verdict of each scenario, in their order. Whoever stops listening ends what is still at work.

    Args:
      jobs: how many processes, this one among them.

    Raises:
      EOFError: another process ended by itself.
    """
    left = enumerate(scenarios)
    done: dict[int, outcome.Outcome[Verdict]] = {}
    next_due = 0
    with contextlib.ExitStack() as ends:
        others = [ends.enter_context(contextlib.closing(_Other())) for _ in range(jobs - 1)]
        root = ends.enter_context(disk())
        while True:
            for other in others:
                other.collect(done)
                other.provide(left)
            while next_due in done:
                yield done.pop(next_due).unwrap()
                next_due += 1
            mine = next(left, None) if len(done) < KEPT_PER_PROCESS * jobs else None
            if mine is not None:
                number, scenario = mine
                done[number] = outcome.capture(simulate, scenario, root)
            elif not done and not any(other.at_work for other in others):
                return
            elif next_due not in done:
                # Whoever has it does not depend on this process any more.
                multiprocessing.connection.wait([other.pipe for other in others if other.at_work])


def jobs_by_default(seeds: int) -> int:
    """One process for each core, and no other for a handful of seeds: to start one takes as long as a few of them."""
    return max(1, min(os.cpu_count() or 1, seeds // 4))


class _Other:
    """Another process, as this one sees it.

    Attributes:
      at_work: how many scenarios it was given and has not judged.
    """

    def __init__(self) -> None:
        # Spawned, never forked: a fork would share locks and open files.
        context = multiprocessing.get_context("spawn")
        self.pipe, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs,), daemon=True)
        self._process.start()
        theirs.close()
        self._is_ready = False
        self.at_work = 0

    def collect(self, done: dict[int, outcome.Outcome[Verdict]]) -> None:
        """Take what it has ready, without waiting."""
        while self.pipe.poll():
            said: tuple[int, outcome.Outcome[Verdict]] | None = self.pipe.recv()
            if said is None:
                self._is_ready = True
            else:
                done[said[0]] = said[1]
                self.at_work -= 1

    def provide(self, left: Iterable[tuple[int, Scenario]]) -> None:
        """Give it enough to do, once it has started."""
        if self._is_ready:
            for work in itertools.islice(left, AHEAD - self.at_work):
                self.pipe.send(work)
                self.at_work += 1

    def close(self) -> None:
        """End it, when it has done what it is at."""
        self.pipe.close()
        self._process.join()


def _serve(pipe: "Connection[Any, Any]") -> None:
    """What another process does: judge what it is given, until nobody listens. Its end is its parent's business."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with disk() as root, contextlib.suppress(EOFError, BrokenPipeError, ConnectionResetError):
        pipe.send(None)
        while True:
            number, scenario = pipe.recv()
            pipe.send((number, outcome.capture(simulate, scenario, root)))
