"""What was heard is remembered until somebody looks, once, and never in unbounded memory."""

import trio
import trio.testing

from workers.backfill.changes import CHANGED_PATHS_MAX, Changes


def numbered(count: int) -> list[str]:
    """So many different paths."""
    return [f"sessions/{number}" for number in range(count)]


def test_nothing_heard_is_nothing_to_look_at() -> None:
    changes = Changes()

    assert not changes
    assert changes.take() == frozenset()


def test_path_that_changes_again_and_again_is_taken_once() -> None:
    changes = Changes()
    for _ in range(1_000):
        changes.add(["a", "b"])

    assert changes.take() == frozenset({"a", "b"})
    assert changes.take() == frozenset()


def test_too_many_paths_become_everything_and_hold_no_memory() -> None:
    changes = Changes()
    changes.add(numbered(CHANGED_PATHS_MAX))
    assert changes.take() == frozenset(numbered(CHANGED_PATHS_MAX))

    changes.add(numbered(CHANGED_PATHS_MAX + 1))
    assert changes.take_paths() == frozenset()
    assert changes.take() is None


def test_everything_swallows_single_paths() -> None:
    changes = Changes()
    changes.add(["a"])
    changes.add(None)
    changes.add(["b"])

    assert changes.take() is None
    assert not changes


def test_single_paths_can_be_taken_while_everything_stays_to_be_looked_at() -> None:
    changes = Changes()
    changes.add(None)
    changes.add(["a"])

    assert changes.take_paths() == frozenset({"a"})
    assert changes
    assert changes.take() is None


async def test_waiting_ends_with_what_is_heard_and_begins_anew_when_it_is_taken() -> None:
    changes = Changes()
    changes.add([])
    async with trio.open_nursery() as nursery:
        nursery.start_soon(changes.wait)
        await trio.testing.wait_all_tasks_blocked()
        assert nursery.child_tasks
        changes.add(["a"])
    changes.take()
    with trio.move_on_after(0) as scope:
        await changes.wait()

    assert scope.cancelled_caught


async def test_what_is_heard_while_everything_is_to_be_looked_at_does_not_end_a_later_wait() -> None:
    changes = Changes()
    changes.add(["a"])
    changes.take_paths()
    with trio.move_on_after(0) as scope:
        await changes.wait()

    assert scope.cancelled_caught
