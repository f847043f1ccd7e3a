"""Making a failing run shorter: fewer faults that break the same law, found by leaving out more and more of them."""

from collections.abc import Callable, Sequence

TRIES_MAX = 60
"""A try is a whole run; after so many what is left is short enough, or will not become shorter."""


def shortest(numbers: Sequence[int], still_fails: Callable[[tuple[int, ...]], bool]) -> tuple[int, ...]:
    """The smallest set of faults that was found to fail in the same way, by delta debugging; in their order.

    Args:
      numbers: faults that fail together.
      still_fails: runs with these alone.
    """
    kept = tuple(numbers)
    tries = 0
    parts = 2
    while len(kept) > 0 and tries < TRIES_MAX:
        if len(kept) == 1:
            return () if still_fails(()) else kept
        size = -(-len(kept) // parts)
        chunks = [kept[start : start + size] for start in range(0, len(kept), size)]
        for chunk in chunks:
            rest = tuple(number for number in kept if number not in chunk)
            tries += 1
            if still_fails(rest):
                kept, parts = rest, max(parts - 1, 2)
                break
            if tries >= TRIES_MAX:
                break
        else:
            if size == 1:
                break
            parts = min(parts * 2, len(kept))
    return kept
