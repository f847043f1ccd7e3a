"""The simulation of whole services: it is repeatable, it finds what is planted, and it finds nothing else."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import attrs
import pytest

from chaos.bugs import Bug
from chaos.simulator.campaign import run_campaign
from chaos.simulator.processes import verdicts
from chaos.simulator.run import Scenario, disk, simulate

ROOT = Path(__file__).parents[2]

FIRST_SEED = {Bug.STEAL_FROM_THE_LIVING: 15}
"""Where a search begins that would take its time from 0 on."""

SEEDS_TO_FIND = 40
"""A planted defect is found within so many seeds: what the command does by default."""


@pytest.fixture
def root() -> Iterator[Path]:
    """A folder to simulate in, in memory where there is one."""
    with disk() as folder:
        yield folder


def digest_in_another_process(seed: int, hash_seed: str) -> str:
    """What a process of its own says of the seed."""
    script = (
        "from chaos.simulator.run import Scenario, disk, simulate\n"
        f"with disk() as root: print(simulate(Scenario(seed={seed}), root).digest)"
    )
    environment = {**os.environ, "PYTHONHASHSEED": hash_seed, "PYTHONPATH": str(ROOT)}
    return subprocess.run(
        [sys.executable, "-c", script],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    ).stdout.strip()


def test_the_same_seed_gives_the_same_run(root: Path) -> None:
    first = simulate(Scenario(seed=3), root)
    simulate(Scenario(seed=4), root)
    second = simulate(Scenario(seed=3), root)

    assert attrs.evolve(first, last_events=()) == attrs.evolve(second, last_events=())
    assert first.last_events == second.last_events


def test_a_run_does_not_depend_on_the_process_nor_on_its_hashes(root: Path) -> None:
    here = simulate(Scenario(seed=5), root).digest

    assert digest_in_another_process(5, "1") == here
    assert digest_in_another_process(5, "2") == here


def test_seeds_that_processes_share_come_in_order_and_are_the_same(root: Path) -> None:
    scenarios = [Scenario(seed=seed) for seed in (2, 3, 4)]

    shared = [verdict.digest for verdict in verdicts(scenarios, jobs=2)]

    assert shared == [simulate(scenario, root).digest for scenario in scenarios]


def test_other_seeds_give_other_runs(root: Path) -> None:
    digests = {simulate(Scenario(seed=seed), root).digest for seed in (1, 2, 3)}

    assert len(digests) == 3


def test_memoryd_as_it_is_breaks_no_law(root: Path) -> None:
    verdicts = [simulate(Scenario(seed=seed, services=2 + seed % 2), root) for seed in range(1, 9)]

    assert [verdict.broken for verdict in verdicts] == [None] * len(verdicts)
    met = {goal for verdict in verdicts for goal in verdict.goals}
    assert {"died in extraction", "died in consolidation", "leases of a dead process were returned"} <= met
    assert all(verdict.counted.commits_judged > 20 for verdict in verdicts)


def test_without_faults_nothing_is_stolen_refused_or_given_up(root: Path) -> None:
    calm = simulate(Scenario(seed=2, kept=()), root)

    assert calm.broken is None
    assert not {"a token was refused", "stolen while the owner lived", "a dead letter"} & set(calm.goals)


@pytest.mark.parametrize("bug", Bug)
def test_planted_defect_is_found_and_made_short(bug: Bug) -> None:
    hours = Scenario(seed=0).seconds / 3600
    report = run_campaign(FIRST_SEED.get(bug, 0), SEEDS_TO_FIND, services=2, hours=hours, bug=bug)

    failure = report.failure
    assert failure is not None, f"{bug} was not found in {SEEDS_TO_FIND} seeds"
    assert len(failure.faults) <= failure.drawn
    assert len(failure.faults) <= 3, "few faults are enough for each"
    assert failure.replay.endswith(f"--bug {bug}")
    assert any(event.who == "laws" for event in failure.story)


def test_what_the_replay_line_says_is_the_same_failure(root: Path) -> None:
    scenario = Scenario(seed=0, bug=Bug.RENEWAL_WITHOUT_TOKEN)
    report = run_campaign(0, SEEDS_TO_FIND, services=2, hours=scenario.seconds / 3600, bug=scenario.bug)
    assert report.failure is not None

    kept = tuple(number for number, _ in report.failure.faults)
    again = simulate(attrs.evolve(scenario, seed=report.failure.seed, kept=kept), root)

    assert again.broken == report.failure.broken


def chaos(*arguments: str) -> "subprocess.CompletedProcess[str]":
    """Run the command as a person does."""
    return subprocess.run(
        [sys.executable, "supervisor.py", "chaos", *arguments], cwd=ROOT, capture_output=True, text=True, timeout=240
    )


def test_command_says_what_held_and_how_fast_it_was() -> None:
    ended = chaos("simulate", "--seed", "7", "--seeds", "2", "--json")

    assert ended.returncode == 0, ended.stderr
    report = json.loads(ended.stdout)
    assert report["passed"]
    assert report["failure"] is None
    assert report["seeds"] == 2
    assert report["rates"]["seeds_per_second"] > 0


def test_command_that_finds_something_shows_the_faults_the_story_and_the_line_to_repeat_it() -> None:
    ended = chaos("simulate", "--seed", "0", "--seeds", "5", "--bug", "publish-before-row")

    assert ended.returncode == 1
    assert "BROKEN" in ended.stdout
    assert "links_follow_the_rows" in ended.stdout
    assert (
        "again: memoryd chaos simulate --seed 0 --seeds 1 --only-faults none --bug publish-before-row" in ended.stdout
    )


@pytest.mark.parametrize(
    "arguments",
    [
        ("simulate", "--seeds", "0"),
        ("simulate", "--bug", "no-such"),
        ("simulate", "--only-faults", "x"),
        ("--faults", "kill,nope"),
        ("--duration", "-1"),
        ("--duration", "nan"),
        ("--processes", "0"),
        ("--state-dir", "/tmp/somewhere"),
        ("disk", "--stride", "0"),
        ("disk", "--processes", "1"),
        ("points", "--points", "0"),
        ("starts", "--processes", "0"),
        ("starts", "--codex-home", "/tmp/somewhere"),
    ],
)
def test_command_refuses_what_it_does_not_understand(arguments: tuple[str, ...]) -> None:
    ended = chaos(*arguments)

    assert ended.returncode == 2
    assert ended.stderr.startswith("memoryd: ")
