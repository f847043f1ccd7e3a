"""With threads that are live in the server."""

from collections.abc import Sequence
from typing import Any

from tests.fakes.model_server import Hang, Refuse, Say
from tests.interop.app_server.conversations.people import ARCHIVED, HOME, LEGACY, NOBODY, PAGINATED
from tests.interop.app_server.conversations.steps import (
    EMPTY,
    FILES,
    NAMES,
    NO_ID,
    about,
    archive,
    listed,
    read,
    tail,
    update,
)
from tests.interop.app_server.stored import Stored, task_started, turn_id
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


def _spoken(text: str, thread: str = "${T}", *, called: str | None = None) -> Ask:
    """Say something, and wait until it was answered."""
    return Ask(
        "turn/start",
        {"threadId": thread, "input": [{"type": "text", "text": text}]},
        save={} if called is None else {called: "result.turn.id"},
        wait=["turn/started", "turn/completed"],
    )


def _fork(thread: Stored | str, name: str = "F", **more: Any) -> Ask:
    """Fork a thread, and go on speaking of the fork by this name."""
    thread = thread if isinstance(thread, str) else thread.id
    return Ask("thread/fork", {"threadId": thread, **more}, save={name: "result.thread.id"}, wait=["thread/started"])


def _start(**more: Any) -> Ask:
    return Ask("thread/start", {"cwd": "${WORK}", **more}, save=_STARTED, wait=["thread/started"])


def _unspoken(mode: str) -> Sequence[Conversation]:
    said = [
        about("thread/name/set", "${T}", name="Early", wait=["thread/name/updated"]),
        about("thread/memoryMode/set", "${T}", mode="disabled"),
        update("${T}", {"branch": "early", "sha": "abc"}),
    ]
    edited = [
        Conversation(
            name=f"nobody has spoken, {mode}: {step.method}",
            talks_to_model=True,
            steps=[
                _start(historyMode=mode),
                step,
                FILES,
                read("${T}"),
                listed(),
                listed(useStateDbOnly=True),
                *([read("${T}", turns=True)] if mode == "legacy" else []),
                _spoken("Hello"),
                FILES,
                read("${T}"),
                listed(),
                NAMES,
                Restart(),
                read("${T}"),
                listed(),
            ],
        )
        for step in said
    ]
    left = Conversation(
        name=f"nobody ever spoke, {mode}",
        talks_to_model=True,
        steps=[
            _start(historyMode=mode),
            about("thread/resume", "${T}"),
            about("thread/fork", "${T}"),
            about("thread/turns/list", "${T}"),
            about("thread/items/list", "${T}"),
            update("${T}", {"branch": "early"}),
            FILES,
            Restart(),
            read("${T}"),
            listed(),
            *([] if mode == "legacy" else [about("thread/resume", "${T}")]),
            FILES,
        ],
    )
    gone = [
        Conversation(
            name=f"{method} of a thread in which nobody spoke, {mode}",
            talks_to_model=True,
            steps=[
                _start(historyMode=mode),
                about(method, "${T}", wait=["thread/status/changed", told]),
                FILES,
                Ask("thread/loaded/list", {}),
                read("${T}"),
                listed(),
            ],
        )
        for method, told in (("thread/archive", "thread/archived"), ("thread/delete", "thread/deleted"))
    ]
    return [*edited, left, *gone]


FORKING = Conversation(
    name="forks of stored threads",
    home=HOME,
    steps=[
        about("thread/name/set", LEGACY, name="One", wait=["thread/name/updated"]),
        about("thread/name/set", PAGINATED, name="Other", wait=["thread/name/updated"]),
        update(LEGACY, {"branch": "edited"}),
        about("thread/memoryMode/set", LEGACY, mode="disabled"),
        _fork(LEGACY),
        read("${F}"),
        read("${F}", turns=True),
        _fork(PAGINATED, "P"),
        read("${P}"),
        NAMES,
        _fork(LEGACY, "E", ephemeral=True),
        Ask("thread/fork", {"threadId": PAGINATED.id, "ephemeral": True}),
        _fork(PAGINATED, "EP", ephemeral=True, excludeTurns=True),
        about("thread/fork", ARCHIVED),
        about("thread/fork", NOBODY),
        about("thread/fork", "nope"),
        Ask("thread/fork", {}),
        Restart(),
        read("${F}"),
        read("${E}"),
        NAMES,
    ],
)

CUTTING = Conversation(
    name="forks that leave their source early",
    talks_to_model=True,
    steps=[
        _start(),
        _spoken("One", called="A"),
        _spoken("Two", called="B"),
        _fork("${T}", "L", lastTurnId="${A}"),
        read("${L}", turns=True),
        _fork("${T}", "B4", beforeTurnId="${B}"),
        read("${B4}", turns=True),
        _fork("${T}", "N", beforeTurnId="${A}"),
        read("${N}", turns=True),
        about("thread/fork", "${T}", lastTurnId="nope"),
        about("thread/fork", "${T}", lastTurnId=NOBODY),
        about("thread/fork", "${T}", lastTurnId="${A}", beforeTurnId="${B}"),
        _spoken("After", "${L}"),
        read("${L}", turns=True),
        Restart(),
        read("${L}", turns=True),
    ],
)


def _with_settings(number: int, *, is_paginated: bool) -> Stored:
    """A thread that was run otherwise than the configuration says."""
    context = {
        "turn_id": turn_id(number, 1),
        "cwd": "/srv",
        "approval_policy": "never",
        "sandbox_policy": {"type": "workspace-write"},
        "model": "gpt-x",
        "effort": "high",
        "summary": "auto",
    }
    return Stored(
        number=number,
        minute=number,
        text="Run otherwise",
        is_paginated=is_paginated,
        meta={"model_provider": "openai", "cwd": "/srv"},
        more=(("turn_context", context),),
    )


OTHERWISE, OTHERWISE_PAGINATED = _with_settings(41, is_paginated=False), _with_settings(42, is_paginated=True)
FOREIGN = Stored(number=43, minute=43, text="Of nobody", meta={"model_provider": "nobody"})

SETTINGS = Conversation(
    name="settings of live threads",
    home=(OTHERWISE, OTHERWISE_PAGINATED, FOREIGN),
    steps=[
        _fork(OTHERWISE),
        _fork(OTHERWISE, model="m", cwd="/tmp", sandbox="danger-full-access", approvalPolicy="on-request"),
        _fork(FOREIGN),
        about("thread/resume", OTHERWISE),
        about("thread/resume", OTHERWISE_PAGINATED),
        tail(OTHERWISE),
        Restart(),
        about("thread/resume", OTHERWISE, modelProvider="loopback"),
        about("thread/resume", OTHERWISE, modelProvider="nobody"),
        about("thread/resume", OTHERWISE, model="n", cwd="/tmp", sandbox="danger-full-access"),
        read(OTHERWISE),
        about("thread/resume", FOREIGN),
        about("thread/fork", OTHERWISE, modelProvider="nobody"),
        *(
            _start(ephemeral=True, **more)
            for more in (
                {"modelProvider": "openai", "model": "other", "sandbox": "workspace-write"},
                {"config": {"model": "configured", "model_reasoning_effort": "high"}},
                {"config": {"approval_policy": "on-request", "sandbox_mode": "workspace-write"}, "model": "given"},
                {"cwd": "/nonexistent"},
                {"cwd": "below"},
                {"baseInstructions": "Be.", "developerInstructions": "Do.", "threadSource": "user"},
            )
        ),
        *(
            Ask("thread/start", {"ephemeral": True, **more})
            for more in (
                {"modelProvider": "nobody"},
                {"modelProvider": ""},
                {"config": {"model_provider": "nobody"}},
                {"config": {"model": 5}},
                {"config": {"approval_policy": "bogus"}},
                {"config": {"sandbox_mode": "bogus"}},
                {"config": 5},
                {"cwd": 5},
                {"sandbox": "none"},
                {"approvalPolicy": "on-failure"},
                {"historyMode": "none"},
            )
        ),
    ],
)

OPEN_TURNS = Conversation(
    name="turns without an end",
    home=(OPEN, OPEN_PAGINATED),
    steps=[
        *(read(thread, turns=True) for thread in (OPEN, OPEN_PAGINATED)),
        *(about("thread/resume", thread) for thread in (OPEN, OPEN_PAGINATED)),
        *(read(thread, turns=True) for thread in (OPEN, OPEN_PAGINATED)),
        *(_fork(thread) for thread in (OPEN, OPEN_PAGINATED)),
    ],
)

REFUSED = Conversation(
    name="what live threads refuse",
    steps=[
        _start(),
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
            _start(historyMode=mode),
            *(step for said in "abcd" for step in (_spoken(said), read("${T}"), read("${T}", turns=True))),
            _spoken("Hello"),
            read("${T}", turns=True),
            listed(),
            Restart(),
            read("${T}"),
            about("thread/resume", "${T}"),
        ],
    )
    stopped = Conversation(
        name=f"a live thread whose turn is stopped, {mode}",
        talks_to_model=True,
        scripts={"wait": Hang()},
        steps=[
            _start(historyMode=mode),
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
            about("thread/resume", "${T}"),
            _fork("${T}"),
            read("${F}"),
            Ask("turn/interrupt", _INTERRUPT, wait=["turn/completed"]),
            Ask("turn/interrupt", _INTERRUPT),
            read("${T}", turns=True),
            Restart(),
            read("${T}"),
            about("thread/resume", "${T}"),
        ],
    )
    return [failing, stopped]


LIVE: Sequence[Conversation] = (
    RESUMING,
    _live("a live thread"),
    _live("a live thread in the older format", historyMode="legacy"),
    EPHEMERAL,
    *_unspoken("legacy"),
    *_unspoken("paginated"),
    FORKING,
    CUTTING,
    SETTINGS,
    OPEN_TURNS,
    REFUSED,
    *_not_well("legacy"),
    *_not_well("paginated"),
)
