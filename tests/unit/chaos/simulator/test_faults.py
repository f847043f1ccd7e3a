"""What the seed draws."""

from chaos.simulator.faults import KINDS, draw
from chaos.simulator.visits import OUTLIVING


def test_same_seed_draws_the_same_faults_in_order_of_time() -> None:
    faults = draw(11, services=3, seconds=600)

    assert faults == draw(11, services=3, seconds=600)
    assert faults != draw(12, services=3, seconds=600)
    assert list(faults) == sorted(faults, key=lambda fault: fault.at_seconds)


def test_faults_meet_services_that_there_are_in_the_time_that_there_is() -> None:
    for seed in range(50):
        for fault in draw(seed, services=2, seconds=120):
            assert fault.kind == "visit" or fault.service in (1, 2)
            assert 0 <= fault.at_seconds < 120


def test_every_kind_is_drawn_sooner_or_later_and_says_what_it_does() -> None:
    faults = [fault for seed in range(60) for fault in draw(seed, services=2, seconds=300)]

    assert {fault.kind for fault in faults} == set(KINDS)
    assert all(str(fault).startswith(f"from {fault.at_seconds:.1f} s: ") for fault in faults)


def test_visitors_of_a_seed_have_numbers_of_their_own_and_come_around_each_restart() -> None:
    for seed in range(30):
        faults = draw(seed, services=2, seconds=120)
        visits = [fault for fault in faults if fault.kind == "visit"]

        assert len({visit.service for visit in visits}) == len(visits)
        restarts = sum(fault.kind == "reboot" for fault in faults)
        assert sum(OUTLIVING in visit.detail for visit in visits) >= 2 * restarts


def test_only_the_kinds_that_are_asked_for_are_drawn() -> None:
    assert {fault.kind for fault in draw(1, services=2, seconds=600, kinds=("freeze", "wall"))} <= {"freeze", "wall"}
