"""From the notes of many sessions to what stands now."""

import itertools

import pytest

from tests.fakes.memories import memory, note
from tests.fakes.readings import CONTENT_AT_MS, thread_id
from workers.consolidation.merge import Merged, merge


def wishes(merged: Merged) -> list[str]:
    """The texts of what the person wishes, newest first."""
    return [one.note.text for one in merged.wishes]


def test_later_value_replaces_the_earlier_one_about_the_same_thing() -> None:
    merged = merge(
        (
            memory(1, note("preference", "use tabs", topic="indentation")),
            memory(2, note("preference", "use spaces", topic="indentation")),
        )
    )

    assert wishes(merged) == ["use spaces"]
    assert merged.wishes[0].thread_id == thread_id(2)


def test_later_is_what_was_said_later_and_not_what_was_saved_later() -> None:
    merged = merge(
        (
            memory(1, note("preference", "use tabs", topic="indentation", at_ms=CONTENT_AT_MS + 99)),
            memory(2, note("preference", "use spaces", topic="indentation", at_ms=CONTENT_AT_MS + 1)),
        )
    )

    assert wishes(merged) == ["use tabs"]


def test_later_line_of_one_session_goes_before_an_earlier_one() -> None:
    merged = merge(
        (
            memory(
                1,
                note("preference", "use spaces", topic="indentation", line=9),
                note("preference", "use tabs", topic="indentation", line=3),
            ),
        )
    )

    assert wishes(merged) == ["use spaces"]


@pytest.mark.parametrize("later", ["prohibition", "preference", "correction"])
@pytest.mark.parametrize("earlier", ["prohibition", "preference", "correction"])
def test_wishes_of_every_kind_are_one_family(earlier: str, later: str) -> None:
    merged = merge((memory(1, note(earlier, "old", topic="t")), memory(2, note(later, "new", topic="t"))))

    assert wishes(merged) == ["new"]


def test_fix_does_not_replace_a_wish_about_the_same_thing() -> None:
    merged = merge((memory(1, note("preference", "wish", topic="t")), memory(2, note("fix", "remedy", topic="t"))))

    assert wishes(merged) == ["wish"]
    assert [one.note.text for one in merged.fixes] == ["remedy"]


def test_same_words_about_two_things_are_said_once_and_cite_the_newest() -> None:
    merged = merge(
        (
            memory(1, note("preference", "Use Tabs", topic="a")),
            memory(2, note("preference", "between", topic="b")),
            memory(3, note("preference", "use tabs", topic="c")),
        )
    )

    assert wishes(merged) == ["use tabs", "between"]
    assert merged.wishes[0].thread_id == thread_id(3)


def test_newest_comes_first() -> None:
    merged = merge(tuple(memory(number, note("preference", f"wish {number}")) for number in (2, 1, 3)))

    assert wishes(merged) == ["wish 3", "wish 2", "wish 1"]
    assert [task.memory.thread_id for task in merged.tasks] == [thread_id(3), thread_id(2), thread_id(1)]


def test_task_holds_what_was_asked_what_changed_and_how_it_ended() -> None:
    (task,) = merge(
        (
            memory(
                1,
                note("request", "add a login", line=2),
                note("files", "login.py", line=5),
                note("outcome", "half done", line=7),
                note("outcome", "done", line=9),
                note("request", "and a logout", line=11),
            ),
        )
    ).tasks

    assert [one.text for one in task.requests] == ["add a login", "and a logout"]
    assert [one.text for one in task.files] == ["login.py"]
    assert task.outcome is not None
    assert task.outcome.text == "done"


def test_session_without_an_end_has_no_outcome() -> None:
    assert merge((memory(1),)).tasks[0].outcome is None


def test_order_of_the_memories_does_not_matter() -> None:
    memories = (
        memory(1, note("preference", "a", topic="t"), note("fix", "x", topic="u")),
        memory(2, note("correction", "b", topic="t"), note("fix", "y", topic="u")),
        memory(3, note("preference", "b", topic="v"), source_at_ms=CONTENT_AT_MS + 2),
    )

    assert len({repr(merge(order)) for order in itertools.permutations(memories)}) == 1
