"""A turn of a thread and its items."""

from typing import Any

import attrs

from state.rollouts.turn_items import Item

IN_PROGRESS, COMPLETED, INTERRUPTED, FAILED = "inProgress", "completed", "interrupted", "failed"


@attrs.define(kw_only=True)
class TurnItem:
    """An item, and the number of the line that told of it first."""

    ordinal: int
    item: Item


@attrs.define(kw_only=True)
class Turn:
    """A turn.

    Attributes:
      ordinal: the number of the line that opened it.
      error: why it failed, as clients see it.
      started_at_s, completed_at_s: Unix seconds; None when nobody said.
      is_named: a line opened it, so it is one even when it is empty.
      has_end: a line ended it.
    """

    id: str
    ordinal: int
    root_turn_id: str | None = None
    status: str = COMPLETED
    error: dict[str, Any] | None = None
    started_at_s: int | None = None
    completed_at_s: int | None = None
    duration_ms: int | None = None
    items: list[TurnItem] = attrs.field(factory=list)
    is_named: bool = False
    has_end: bool = False
    is_compacted: bool = False

    def put(self, ordinal: int, item: Item) -> None:
        """Add an item, or let it take the place of the one with its id."""
        for known in self.items:
            if known.item["id"] == item["id"]:
                known.item = item
                return
        self.items.append(TurnItem(ordinal=ordinal, item=item))
