"""With threads that are live in the server."""

from collections.abc import Sequence
from typing import Any

from tests.interop.app_server.conversations.people import ARCHIVED, HOME, LEGACY, NOBODY, PAGINATED
from tests.interop.app_server.conversations.steps import EMPTY, FILES, NO_ID, about, archive, listed, read, update
from tests.interop.app_server.talk import Ask, Conversation, Restart

RESUMING = Conversation(
    name="resume a stored thread",
    home=HOME,
    steps=[
        about("thread/resume", LEGACY),
        read(LEGACY),
        Ask("thread/loaded/list", {}),
        update(LEGACY, {"branch": "loaded"}),
        read(LEGACY),
        about("thread/name/set", LEGACY, name="Loaded", wait=["thread/name/updated"]),
        listed(),
        about("thread/unsubscribe", LEGACY),
        about("thread/resume", ARCHIVED),
        about("thread/resume", NOBODY, refused=f"no rollout found for thread id {NOBODY}"),
        about("thread/resume", "nope", refused=f"invalid session id: {NO_ID}"),
        about("thread/resume", PAGINATED),
        Ask("thread/loaded/list", {}),
        Ask("thread/loaded/list", {"limit": 1}, save={"C": "result.nextCursor"}),
        Ask("thread/loaded/list", {"cursor": "${C}"}),
        archive(LEGACY),
        Ask("thread/loaded/list", {}),
    ],
)

_STARTED = {"T": "result.thread.id"}


def _live(name: str, **start: Any) -> Conversation:
    return Conversation(
        name=name,
        talks_to_model=True,
        steps=[
            Ask(
                "thread/start",
                {"model": "mock-model", "cwd": "${WORK}", **start},
                save=_STARTED,
                wait=["thread/started"],
            ),
            FILES,
            read("${T}"),
            read("${T}", turns=True),
            update("${T}", {"branch": "before the first turn"}),
            FILES,
            read("${T}"),
            Ask("thread/loaded/list", {}),
            Ask(
                "turn/start",
                {"threadId": "${T}", "input": [{"type": "text", "text": "Hello"}]},
                wait=["turn/started", "turn/completed"],
            ),
            FILES,
            read("${T}"),
            read("${T}", turns=True),
            update("${T}", {"branch": "after the turn"}),
            update("${T}", {}, refused=EMPTY),
            about("thread/name/set", "${T}", name="Alive", wait=["thread/name/updated"]),
            about("thread/memoryMode/set", "${T}", mode="disabled"),
            listed(),
            Restart(),
            read("${T}"),
            about("thread/resume", "${T}"),
            Ask("thread/fork", {"threadId": "${T}"}, save={"F": "result.thread.id"}, wait=["thread/started"]),
            read("${F}"),
            about("thread/archive", "${T}", wait=["thread/archived"]),
            FILES,
        ],
    )


EPHEMERAL = Conversation(
    name="an ephemeral thread",
    talks_to_model=True,
    steps=[
        Ask("thread/start", {"ephemeral": True, "cwd": "${WORK}"}, save=_STARTED, wait=["thread/started"]),
        read("${T}"),
        update("${T}", {"branch": "x"}),
        about("thread/name/set", "${T}", name="x"),
        about("thread/memoryMode/set", "${T}", mode="disabled"),
        about("thread/archive", "${T}"),
        Ask(
            "turn/start",
            {"threadId": "${T}", "input": [{"type": "text", "text": "Hello"}]},
            wait=["turn/started", "turn/completed"],
        ),
        FILES,
        listed(),
    ],
)


LIVE: Sequence[Conversation] = (
    RESUMING,
    _live("a live thread"),
    _live("a live thread in the older format", historyMode="legacy"),
    EPHEMERAL,
)
