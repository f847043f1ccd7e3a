"""With forks, and with threads that are run otherwise than the configuration says."""

from collections.abc import Sequence

from tests.interop.app_server.conversations.live_steps import fork, resume, spoken, start
from tests.interop.app_server.conversations.people import ARCHIVED, HOME, LEGACY, NOBODY, PAGINATED
from tests.interop.app_server.conversations.steps import NAMES, about, read, tail, update
from tests.interop.app_server.stored import Stored, turn_id
from tests.interop.app_server.talk import Ask, Conversation, Restart

FORKING = Conversation(
    name="forks of stored threads",
    home=HOME,
    steps=[
        about("thread/name/set", LEGACY, name="One", wait=["thread/name/updated"]),
        about("thread/name/set", PAGINATED, name="Other", wait=["thread/name/updated"]),
        update(LEGACY, {"branch": "edited"}),
        about("thread/memoryMode/set", LEGACY, mode="disabled"),
        fork(LEGACY),
        read("${F}"),
        read("${F}", turns=True),
        fork(PAGINATED, "P"),
        read("${P}"),
        NAMES,
        fork(LEGACY, "E", ephemeral=True),
        Ask("thread/fork", {"threadId": PAGINATED.id, "ephemeral": True}),
        fork(PAGINATED, "EP", ephemeral=True, excludeTurns=True),
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
        start(),
        spoken("One", called="A"),
        spoken("Two", called="B"),
        fork("${T}", "L", lastTurnId="${A}"),
        read("${L}", turns=True),
        fork("${T}", "B4", beforeTurnId="${B}"),
        read("${B4}", turns=True),
        fork("${T}", "N", beforeTurnId="${A}"),
        read("${N}", turns=True),
        about("thread/fork", "${T}", lastTurnId="nope"),
        about("thread/fork", "${T}", lastTurnId=NOBODY),
        about("thread/fork", "${T}", lastTurnId="${A}", beforeTurnId="${B}"),
        spoken("After", "${L}"),
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
        fork(OTHERWISE),
        fork(OTHERWISE, model="m", cwd="/tmp", sandbox="danger-full-access", approvalPolicy="on-request"),
        fork(FOREIGN),
        resume(OTHERWISE),
        resume(OTHERWISE_PAGINATED),
        tail(OTHERWISE),
        Restart(),
        about("thread/resume", OTHERWISE, modelProvider="loopback"),
        about("thread/resume", OTHERWISE, modelProvider="nobody"),
        resume(OTHERWISE, model="n", cwd="/tmp", sandbox="danger-full-access"),
        read(OTHERWISE),
        about("thread/resume", FOREIGN),
        about("thread/fork", OTHERWISE, modelProvider="nobody"),
        *(
            start(ephemeral=True, **more)
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

FORKS: Sequence[Conversation] = (FORKING, CUTTING, SETTINGS)
