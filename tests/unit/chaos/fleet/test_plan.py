"""A run's faults are drawn from its seed before anything starts."""

import itertools

import pytest

from chaos.fleet.plan import DAY_MS, Fault, draw

ALL = frozenset(Fault)


def test_same_seed_gives_the_same_plan_and_another_seed_another_one() -> None:
    plans = [draw(seed, services=3, duration_ms=60_000, faults=ALL) for seed in (1, 1, 2)]

    assert plans[0] == plans[1]
    assert plans[0] != plans[2]


@pytest.mark.parametrize("seed", range(20))
def test_every_fault_is_over_when_the_run_is(seed: int) -> None:
    plan = draw(seed, services=4, duration_ms=120_000, faults=ALL)

    assert {one.fault for one in plan} == ALL
    assert all(one.at_ms > 0 and one.at_ms + one.lasts_ms <= 120_000 for one in plan)
    assert list(plan) == sorted(plan, key=lambda one: one.at_ms)
    assert {one.service for one in plan} <= set(range(4))
    assert all(abs(one.wall_shift_ms) <= DAY_MS for one in plan)


def test_only_the_chosen_faults_are_drawn_and_each_is_drawn_as_without_the_others() -> None:
    both = draw(5, services=2, duration_ms=30_000, faults=frozenset({Fault.KILL, Fault.BUSY}))
    alone = draw(5, services=2, duration_ms=30_000, faults=frozenset({Fault.KILL}))

    assert {one.fault for one in alone} == {Fault.KILL}
    assert tuple(one for one in both if one.fault is Fault.KILL) == alone


def test_one_clock_and_one_server_are_hurt_one_at_a_time() -> None:
    plan = draw(3, services=2, duration_ms=120_000, faults=frozenset({Fault.CLOCK, Fault.MODEL}))
    for fault in (Fault.CLOCK, Fault.MODEL):
        ours = [one for one in plan if one.fault is fault]
        assert all(one.at_ms + one.lasts_ms <= after.at_ms for one, after in itertools.pairwise(ours))
