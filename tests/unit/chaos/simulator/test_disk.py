"""The simulated machine's disk: who its failures strike, and that a run on a disk that lies is found out."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from chaos.bugs import Bug
from chaos.disk.faults import Operation
from chaos.disk.medium import Survival
from chaos.simulator.disk import FAILURES, Failure, PowerCut
from chaos.simulator.faults import Fault
from chaos.simulator.run import Scenario, Verdict, disk, simulate

CUTS = {
    seed: tuple(number for number, fault in Scenario(seed=seed).faults() if fault.kind == "power") for seed in range(12)
}


@pytest.fixture
def root() -> Iterator[Path]:
    """A folder to simulate in."""
    with disk() as folder:
        yield folder


def with_power_cuts_alone(root: Path, *, bug: Bug | None = None) -> list[Verdict]:
    """Runs in which nothing goes wrong but the power, and what is planted."""
    return [simulate(Scenario(seed=seed, kept=numbers, bug=bug), root) for seed, numbers in CUTS.items() if numbers]


def test_failure_strikes_the_named_service_after_so_many_good_operations_and_so_often() -> None:
    failure = Failure("sync failed", service=2, left=1, times=2)

    assert not failure.strikes(1, Operation.SYNC)
    assert not failure.strikes(2, Operation.WRITE)
    assert [failure.strikes(2, Operation.SYNC) for _ in range(4)] == [False, True, True, False]


def test_failure_without_an_end_strikes_until_it_is_taken_back() -> None:
    failure = Failure("write failed", service=1, left=0, times=None)

    assert all(failure.strikes(1, Operation.WRITE) for _ in range(50))
    failure.times = 0
    assert not failure.strikes(1, Operation.WRITE)


@pytest.mark.parametrize(("during", "counted"), [("sync", 1), ("change of a file", 3)])
def test_power_cut_counts_what_it_is_told_to(during: str, counted: int) -> None:
    cut = PowerCut(1, during == "sync", Survival.NOTHING, lambda: None)

    assert sum(cut.concerns(operation) for operation in Operation) == counted


@pytest.mark.parametrize("what", FAILURES)
def test_every_failure_of_the_disk_can_be_said(what: str) -> None:
    fault = Fault(at_seconds=1.0, kind="disk", service=1, detail=what, during="once", amount=3)

    assert what in str(fault)


def test_power_cuts_lose_pages_and_nothing_that_was_committed(root: Path) -> None:
    verdicts = with_power_cuts_alone(root)

    assert [verdict.broken for verdict in verdicts] == [None] * len(verdicts)
    met = {goal for verdict in verdicts for goal in verdict.goals}
    assert {"power cut", "power cut with unsynced pages lost"} <= met


@pytest.mark.parametrize("bug", [Bug.COMMIT_WITHOUT_SYNC, Bug.SYNC_THAT_LIES])
def test_commit_that_is_not_on_the_disk_is_missed_after_a_power_cut(root: Path, bug: Bug) -> None:
    broken = [verdict.broken.law for verdict in with_power_cuts_alone(root, bug=bug) if verdict.broken is not None]

    assert "a_power_cut_keeps_what_was_committed" in broken
