"""With threads that are live in the server."""

from collections.abc import Sequence
from typing import Any

from tests.fakes.model_server import Hang, Refuse, Say
from tests.interop.app_server.conversations.forks import FORKS
from tests.interop.app_server.conversations.live_steps import STARTED, fork, resume, spoken, start
from tests.interop.app_server.conversations.people import ARCHIVED, HOME, LEGACY, NOBODY, PAGINATED
from tests.interop.app_server.conversations.steps import (
    EMPTY,
    FILES,
    NO_ID,
    about,
    listed,
    read,
    update,
)
from tests.interop.app_server.conversations.unspoken import UNSPOKEN
from tests.interop.app_server.stored import Stored, task_started, turn_id
from tests.interop.app_server.talk import Ask, Conversation, Restart

RESUMING = Conversation(
    name="resume a stored thread",
    home=HOME,
    steps=[
        resume(LEGACY),
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
        resume(PAGINATED),
        Ask("thread/loaded/list", {}),
        Ask("thread/loaded/list", {"limit": 1}, save={"C": "result.nextCursor"}),
        Ask("thread/loaded/list", {"cursor": "${C}"}),
        about("thread/archive", LEGACY, wait=["thread/archived"] * 2),
        Ask("thread/loaded/list", {}),
    ],
)

OPEN = Stored(
    number=31,
    minute=31,
    text="Half said",
    more=(
        ("event_msg", task_started(turn_id(31, 2), 1_736_080_320)),
        ("event_msg", {"type": "user_message", "message": "And more", "kind": "plain"}),
    ),
)
OPEN_PAGINATED = Stored(number=32, minute=32, text="Half said", is_paginated=True)


def _live(name: str, **start: Any) -> Conversation:
    return Conversation(
        name=name,
        talks_to_model=True,
        steps=[
            Ask(
                "thread/start",
                {"model": "mock-model", "cwd": "${WORK}", **start},
                save=STARTED,
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
            resume("${T}"),
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
        Ask("thread/start", {"ephemeral": True, "cwd": "${WORK}"}, save=STARTED, wait=["thread/started"]),
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


OPEN_TURNS = Conversation(
    name="turns without an end",
    home=(OPEN, OPEN_PAGINATED),
    steps=[
        *(read(thread, turns=True) for thread in (OPEN, OPEN_PAGINATED)),
        *(resume(thread) for thread in (OPEN, OPEN_PAGINATED)),
        *(read(thread, turns=True) for thread in (OPEN, OPEN_PAGINATED)),
        *(fork(thread) for thread in (OPEN, OPEN_PAGINATED)),
    ],
)

REFUSED = Conversation(
    name="what live threads refuse",
    steps=[
        start(),
        *(
            Ask("turn/start", {"threadId": "${T}", **more})
            for more in ({}, {"input": "x"}, {"input": [{"type": "none"}]}, {"input": [{"type": "text"}]})
        ),
        *(
            Ask("turn/start", {"threadId": thread, "input": [{"type": "text", "text": "x"}]})
            for thread in ("nope", NOBODY)
        ),
        about("turn/interrupt", NOBODY, turnId="x"),
        about("turn/interrupt", "nope", turnId="x"),
        about("turn/interrupt", "${T}"),
        about("turn/interrupt", "${T}", turnId="nope"),
        about("thread/unsubscribe", "${T}"),
        about("thread/unsubscribe", "${T}"),
        about("thread/unsubscribe", NOBODY),
        about("thread/unsubscribe", "nope"),
        Ask("thread/resume", {}),
    ],
)

_INTERRUPT = {"threadId": "${T}", "turnId": "${U}"}


def _not_well(mode: str) -> Sequence[Conversation]:
    failing = Conversation(
        name=f"a live thread whose turns fail, {mode}",
        talks_to_model=True,
        scripts={"a": Refuse(400), "b": Refuse(500), "c": Refuse(429), "d": Say("")},
        steps=[
            start(historyMode=mode),
            *(step for said in "abcd" for step in (spoken(said), read("${T}"), read("${T}", turns=True))),
            spoken("Hello"),
            read("${T}", turns=True),
            listed(),
            Restart(),
            read("${T}"),
            resume("${T}"),
        ],
    )
    stopped = Conversation(
        name=f"a live thread whose turn is stopped, {mode}",
        talks_to_model=True,
        scripts={"wait": Hang()},
        steps=[
            start(historyMode=mode),
            Ask(
                "turn/start",
                {"threadId": "${T}", "input": [{"type": "text", "text": "wait"}]},
                save={"U": "result.turn.id"},
                wait=["turn/started", "item/completed"],
            ),
            read("${T}"),
            read("${T}", turns=True),
            about("thread/turns/list", "${T}"),
            about("turn/interrupt", "${T}", turnId="nope"),
            update("${T}", {"branch": "meanwhile"}),
            resume("${T}"),
            fork("${T}"),
            read("${F}"),
            Ask("turn/interrupt", _INTERRUPT, wait=["turn/completed"]),
            Ask("turn/interrupt", _INTERRUPT),
            read("${T}", turns=True),
            Restart(),
            read("${T}"),
            resume("${T}"),
        ],
    )
    return [failing, stopped]


LIVE: Sequence[Conversation] = (
    RESUMING,
    _live("a live thread"),
    _live("a live thread in the older format", historyMode="legacy"),
    EPHEMERAL,
    *UNSPOKEN,
    *FORKS,
    OPEN_TURNS,
    REFUSED,
    *_not_well("legacy"),
    *_not_well("paginated"),
)
