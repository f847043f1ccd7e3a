"""Is there one order of concurrent operations that explains all their answers? Wing and Gong's search.

The search takes, again and again, an operation that no other one that must come first still waits before, as long as
the model can give its answer. An operation whose answer was lost may be taken or left out. States that were reached by
the same set of operations before are not tried again, so that the search ends soon for the short histories of one job.
"""

from collections.abc import Callable, Hashable, Iterable, Sequence
from typing import TypeVar

from chaos.operations import Operation

StateT = TypeVar("StateT", bound=Hashable)


class Unexplained(Exception):
    """No order explains the answers. The text tells how far the best one came, for people."""


def explain(
    operations: Sequence[Operation],
    start: StateT,
    after: Callable[[StateT, Operation], Iterable[StateT]],
    is_end: Callable[[StateT], bool],
) -> list[Operation]:
    """Find an order.

    Args:
      after: the states that a state may become when an operation is done in it and answered as it was; none when that
        cannot be. A lost answer fits any.
      is_end: whether a state that is reached by all operations can be the last one.

    Returns:
      The order, without those lost ones that had no effect.

    Raises:
      Unexplained: there is none.
    """
    known = sorted(operations, key=lambda operation: operation.asked.order)
    needed = sum(1 << place for place, operation in enumerate(known) if operation.must_have_happened)
    tried: set[tuple[int, StateT]] = set()
    stack: list[tuple[int, StateT, tuple[int, ...]]] = [(0, start, ())]
    best: tuple[int, ...] = ()
    best_state: StateT = start
    while stack:
        done, state, order = stack.pop()
        if (done, state) in tried:
            continue
        tried.add((done, state))
        if len(order) >= len(best):
            best, best_state = order, state
        if done & needed == needed and is_end(state):
            return [known[place] for place in order]
        for place, reached in reversed(_steps(known, done, state, after)):
            stack.append((done | 1 << place, reached, (*order, place)))
    raise Unexplained(_story(known, best, best_state))


def _steps(
    known: Sequence[Operation], done: int, state: StateT, after: Callable[[StateT, Operation], Iterable[StateT]]
) -> list[tuple[int, StateT]]:
    """What can be done next, and what it leads to.

    What was refused is done at once and alone: whatever could come before it can come after it as well, but for a lost
    operation that ended before it was asked. A lost one that changes nothing is the same as one that was left out.
    """
    places = _next(known, done)
    steps: list[tuple[int, StateT]] = []
    for place in places:
        reached = list(after(state, known[place]))
        if not known[place].must_have_happened:
            steps += [(place, one) for one in reached if one != state]
        elif known[place].changes_nothing and reached == [state] and not _cuts_off(known[place], known, places):
            return [(place, state)]
        else:
            steps += [(place, one) for one in reached]
    return steps


def _cuts_off(chosen: Operation, known: Sequence[Operation], places: Sequence[int]) -> bool:
    return any(
        not known[other].must_have_happened and known[other].was_over_before(chosen.asked.order) for other in places
    )


def _next(known: Sequence[Operation], done: int) -> list[int]:
    """The places of what may come next: nothing that must have been done ended before it was asked."""
    latest_asked = -1
    first_end: int | None = None
    waiting = []
    for place, operation in enumerate(known):
        if done >> place & 1:
            latest_asked = max(latest_asked, operation.asked.order)
            continue
        waiting.append(place)
        if operation.must_have_happened and operation.ended is not None:
            first_end = operation.ended.order if first_end is None else min(first_end, operation.ended.order)
    return [
        place
        for place in waiting
        if (first_end is None or known[place].asked.order <= first_end)
        and not known[place].was_over_before(latest_asked)
    ]


def _story(known: Sequence[Operation], best: Sequence[int], state: object) -> str:
    left = [operation for place, operation in enumerate(known) if place not in best]
    return "\n".join(
        [
            f"{len(best)} of {len(known)} operations are explained by this order:",
            *(f"  {known[place]}" for place in best),
            f"which leads to {state}, where none of these fits:",
            *(f"  {operation}" for operation in left),
        ]
    )
