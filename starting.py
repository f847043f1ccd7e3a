"""Garbage while a process starts: importing makes some hundred thousand objects that all stay.

Looking among them for garbage as often as Python does by itself is a fifth of a start, and looking once still 18 ms. So
nothing is looked for until the start is over; then all that is there is left alone for good, and what the service
itself leaves in cycles, which is little, is looked for seldom.
"""

import gc

STARTING_OBJECTS = 400_000
"""More than any start makes, and few enough for a command that goes on for long without ever opening a store."""

SERVING_OBJECTS = 50_000


def is_over() -> None:
    """Take note that what was made so far stays. Nothing happens where nobody said that this process starts."""
    if gc.get_threshold()[0] == STARTING_OBJECTS:
        gc.freeze()
        gc.set_threshold(SERVING_OBJECTS)
