"""Every place of a conversation that has a text, in the order in which things were said."""

from typing import Any

import pytest

from state.rollouts.occurrences import Occurrence, OccurrencePlace, occurrences_in, places_of
from state.rollouts.turn_fold import TurnFold
from state.rollouts.turn_model import Turn
from tests.fakes.readings import thread_id
from tests.fakes.rollout_lines import answered, newer, said

THREAD = thread_id(1)
BEGINNING = OccurrencePlace(ordinal=0, index=0)


def turns_of(*turns: list[dict[str, Any]], ended: bool = True) -> list[Turn]:
    fold = TurnFold()
    lines = newer(THREAD, list(turns))
    for one in lines if ended else lines[:-1]:
        fold.take(one)
    return fold.turns()


def found(turns: list[Turn], text: str = "till", begin: OccurrencePlace = BEGINNING) -> list[Occurrence]:
    return list(occurrences_in(turns, text, begin))


def items(turns: list[Turn], text: str = "till") -> list[str]:
    return [one.item["id"] for one in found(turns, text)]


def phased(number: int, phase: str | None) -> dict[str, Any]:
    return {**answered("a till", number), "phase": phase}


def test_every_place_is_found_with_its_turn_and_its_range() -> None:
    turns = turns_of([said("The till, the TILL"), answered("In the **ti**ll")])

    first, second, third = found(turns)

    assert [one.item["id"] for one in (first, second, third)] == ["user-1", "user-1", "agent-1"]
    assert [(one.start, one.end) for one in (first, second, third)] == [(4, 8), (14, 18), (7, 11)]
    assert (first.snippet, third.snippet) == ("The till, the TILL", "In the till")
    assert {one.turn.id for one in (first, second, third)} == {"turn-1"}
    assert [(one.place.ordinal, one.place.index) for one in (first, second, third)] == [(2, 0), (2, 1), (3, 0)]


def test_range_counts_as_utf16_does_and_with_the_mark() -> None:
    (short,) = found(turns_of([said("😀 till")]))
    (long,) = found(turns_of([said("😀" * 60 + "till" + "x" * 100)]))

    assert (short.start, short.end) == (3, 7)
    assert (long.start, long.end) == (4 + 2 * 49, 4 + 2 * 49 + 4)
    assert long.snippet == "... " + "😀" * 49 + "till" + "x" * 96 + " ..."


def test_last_answer_counts_where_nothing_says_what_is_one() -> None:
    turns = turns_of([answered("a till", 1), answered("a till", 2)], [answered("a till", 3)])

    assert items(turns) == ["agent-2", "agent-3"]


def test_answer_that_is_said_to_be_one_counts_and_what_is_said_on_the_way_does_not() -> None:
    turns = turns_of([phased(1, "partial_answer"), phased(2, "final_answer"), phased(3, "commentary"), phased(4, None)])

    assert items(turns) == ["agent-1", "agent-2"]


def test_turn_that_has_not_ended_has_only_what_is_said_to_be_an_answer() -> None:
    assert items(turns_of([said("a till"), answered("a till")], ended=False)) == ["user-1"]
    assert items(turns_of([phased(1, "partial_answer"), phased(2, "final_answer")], ended=False)) == [
        "agent-1",
        "agent-2",
    ]


def test_what_is_wrapped_around_a_message_is_no_part_of_it() -> None:
    wrapped = said("the till\n## My request for Codex:\n mend it ")
    wrapped["content"] += [{"type": "image", "image_url": "till"}, {"type": "text", "text": " now"}]
    turns = turns_of([wrapped])

    assert found(turns) == []
    assert [one.snippet for one in found(turns, "it")] == ["mend itnow"]


def test_search_goes_on_at_any_place() -> None:
    turns = turns_of([said("till till till"), answered("till")])
    everything = found(turns)

    for number, one in enumerate(everything):
        assert found(turns, begin=one.place) == everything[number:]
    assert found(turns, begin=OccurrencePlace(ordinal=2, index=100)) == everything[3:]
    assert found(turns, begin=OccurrencePlace(ordinal=100, index=0)) == []


@pytest.mark.parametrize(
    ("wanted", "text", "places"),
    [
        ("aa", "aaaaa", [(0, 2), (2, 4)]),
        ("ss", "straße STRASSE", [(4, 5), (11, 13)]),
        ("s", "ß", [(0, 1)]),
        ("ss", "sßs", [(0, 2)]),
        ("i", "İİ", [(0, 1), (1, 2)]),
        ("f", "ﬃf", [(0, 1), (1, 2)]),
        ("ΣΑΣ", "σας", [(0, 3)]),
        ("x", "", []),
    ],
)
def test_cases_are_one_and_a_place_has_whole_characters(wanted: str, text: str, places: list[tuple[int, int]]) -> None:
    assert list(places_of(wanted, text)) == places
