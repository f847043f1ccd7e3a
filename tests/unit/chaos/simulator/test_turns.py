"""Work that can be left off in the middle."""

import pytest

from chaos.simulator.turns import TURNS, Turns


def test_work_goes_on_only_when_it_is_let_and_rests_where_it_says() -> None:
    done: list[str] = []

    def work() -> str:
        turns = TURNS.get()
        assert turns is not None
        done.append("first")
        turns.rest(2.5)
        done.append("second")
        return "whole"

    turns = Turns(work)
    assert done == []
    assert not turns.proceed()
    assert (done, turns.rests_seconds) == (["first"], 2.5)
    assert turns.proceed()
    assert done == ["first", "second"]
    assert turns.result == "whole"
    assert TURNS.get() is None


def test_what_the_work_raises_is_raised_to_who_asks_for_its_result() -> None:
    turns = Turns(int, "no number")

    assert turns.proceed()
    with pytest.raises(ValueError, match="no number"):
        _ = turns.result
