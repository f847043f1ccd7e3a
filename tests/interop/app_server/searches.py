"""What was said and is looked for: threads for it, and a conversation about threads that change."""

from collections.abc import Sequence
from typing import Any

from tests.interop.app_server.conversations.people import ARCHIVED, CHILD, LATE, LEGACY, PAGINATED, PLAIN
from tests.interop.app_server.conversations.steps import appended, archive, listed, written
from tests.interop.app_server.stored import (
    Stored,
    agent_item,
    item_completed,
    task_complete,
    task_started,
    turn_id,
    user_item,
)
from tests.interop.app_server.talk import Ask, Conversation

EVERY_KIND = ("cli", "vscode", "exec", "appServer", "subAgent", "unknown")

MARKDOWN = """\
# A *till*, in full

With `till code` and **bo**ld, [a link to a till](http://till.example/till "the till") and ![a picture](till.png);
a soft line,  \nand a hard one.

- one till
  - two
- three &amp; four

> a quoted till

    indented till

```python
print("till")
```

<b>till</b> in HTML <!-- till -->

| a | till |
|---|------|

---
\\*till\\* [till][r] ~~till~~ 😀 STRASSE straße, İstanbul

[r]: http://till.example
"""


def _said(turn: int, number: int, text: str, phase: str | None) -> tuple[str, dict[str, Any]]:
    item = {**agent_item(_PHASES.number, text, number), "phase": phase}
    return "event_msg", item_completed(_PHASES.id, turn_id(_PHASES.number, turn), item, _PHASES.began_at)


def _asked(turn: int, number: int, text: str) -> Sequence[tuple[str, dict[str, Any]]]:
    name = turn_id(_PHASES.number, turn)
    return (
        ("event_msg", task_started(name, _PHASES.began_at)),
        ("event_msg", item_completed(_PHASES.id, name, user_item(_PHASES.number, text, number), _PHASES.began_at)),
    )


def _ended(turn: int) -> tuple[str, dict[str, Any]]:
    return "event_msg", task_complete(turn_id(_PHASES.number, turn), _PHASES.began_at + 5, "x")


_PHASES = Stored(number=0x50, minute=20, text="The first till", is_paginated=True)

PHASES = Stored(
    number=_PHASES.number,
    minute=_PHASES.minute,
    text=_PHASES.text,
    is_paginated=True,
    more=(
        _said(1, 2, "A till on the way", "commentary"),
        _said(1, 3, "A part of the till", "partial_answer"),
        _said(1, 4, "The whole till", "final_answer"),
        _said(1, 5, "A till after it", None),
        _ended(1),
        *_asked(2, 20, "A second till"),
        _said(2, 21, "An earlier till", None),
        _said(2, 22, MARKDOWN, None),
        _said(2, 23, "Another till on the way", "commentary"),
        _ended(2),
        *_asked(3, 30, "# Context\n## My request for Codex:\n  the till,\n\n  please "),
        _said(3, 31, "A part of the last till", "partial_answer"),
        _said(3, 32, "A till in a turn without an end", None),
    ),
)
"""A thread of the newer form whose model tells what it says on its way from what it answers."""


def search(term: str, **params: Any) -> Ask:
    """Threads in which it was said."""
    return Ask("thread/search", {"searchTerm": term, "sourceKinds": list(EVERY_KIND), **params})


SEARCHES: Sequence[Conversation] = (
    Conversation(
        name="searching what changes",
        home=(LEGACY, PLAIN, PAGINATED, ARCHIVED, CHILD, PHASES),
        steps=[
            search("till"),
            search("put away"),
            search("put away", archived=True),
            archive(LEGACY),
            search("till"),
            search("till", archived=True),
            appended(PLAIN, "event_msg", {"type": "agent_message", "message": "It is  in\nthe till."}),
            search("in the till"),
            search("t", limit=2, sortDirection="asc"),
            Ask("thread/delete", {"threadId": PLAIN.id}),
            search("till"),
            written(LATE),
            search("written afterwards"),
            listed(),
            search("written afterwards"),
        ],
    ),
)
"""Held with both servers, like the others."""
