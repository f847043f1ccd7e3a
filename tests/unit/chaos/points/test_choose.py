"""Which points of a run are chosen for a kill."""

from chaos.points.conduct import Point, choose

PHASES = {"backfill": 100, "extract": 30, "publish": 7}


def test_points_are_spread_over_every_phase_and_none_is_chosen_twice() -> None:
    chosen = choose(PHASES, 60)

    assert len(chosen) == len(set(chosen)) == 20 + 20 + 7
    for phase, count in PHASES.items():
        numbers = [one.number for one in chosen if one.phase == phase]
        assert numbers[0] == 1
        assert max(numbers) <= count
        assert numbers[-1] > 0.8 * count


def test_all_points_are_chosen_where_more_are_wanted_than_there_are() -> None:
    assert choose({"backfill": 3}, 200) == [Point(phase="backfill", number=number) for number in (1, 2, 3)]


def test_phase_without_points_has_none() -> None:
    assert choose({"backfill": 0}, 10) == []
