"""Rollouts that come, go, or are not as one expects them."""

from tests.interop.app_server.conversations.people import (
    ARCHIVED,
    HOME,
    LATE,
    LATE_ARCHIVED,
    LEGACY,
    PAGINATED,
    PLAIN,
    SILENT,
)
from tests.interop.app_server.conversations.steps import (
    FILES,
    about,
    appended,
    archive,
    listed,
    read,
    removed,
    update,
    written,
)
from tests.interop.app_server.library import GIT, ODD
from tests.interop.app_server.stored import Stored
from tests.interop.app_server.talk import Ask, Conversation, Restart

LATE_FILES = Conversation(
    name="files that come later",
    home=HOME,
    steps=[
        listed(),
        written(LATE),
        written(LATE_ARCHIVED),
        update(LATE, {"branch": "new"}),
        update(LATE_ARCHIVED, {"branch": "new"}),
        read(LATE),
        listed(),
        listed(archived=True),
        appended(PLAIN, "event_msg", {"type": "user_message", "message": "One more thing", "kind": "plain"}),
        read(PLAIN),
        read(PLAIN, turns=True),
        listed(),
        listed(sortKey="updated_at"),
    ],
)

LATE_READING = Conversation(
    name="a file that comes later is read",
    home=(LEGACY,),
    steps=[written(LATE), read(LATE), read(LATE, turns=True), written(LATE_ARCHIVED), read(LATE_ARCHIVED), listed()],
)

REBUILT = Conversation(
    name="a rebuilt index",
    home=HOME,
    steps=[
        update(LEGACY, {"branch": "edited"}),
        update(PLAIN, {"sha": "def456"}),
        update(LEGACY, {"sha": None}),
        archive(PLAIN),
        Restart(forgetting=True),
        listed(),
        listed(archived=True),
        read(LEGACY),
    ],
)

REBUILT_LOSSES = Conversation(
    name="a rebuilt index with what Codex loses",
    home=HOME,
    steps=[
        update(PAGINATED, {"branch": "edited"}),
        about("thread/name/set", LEGACY, name="A name", wait=["thread/name/updated"]),
        Restart(forgetting=True),
        read(PAGINATED),
        read(LEGACY),
    ],
)


def _gone(name: str, thread: Stored) -> Conversation:
    return Conversation(
        name=name,
        home=HOME,
        steps=[
            listed(),
            removed(thread),
            read(thread),
            read(thread, turns=True),
            about("thread/turns/list", thread),
            update(thread, {"branch": "x"}),
            about("thread/archive", thread),
            about("thread/unarchive", thread),
            about("thread/name/set", thread, name="x"),
            about("thread/memoryMode/set", thread, mode="disabled"),
            listed(),
            listed(archived=True),
            about("thread/delete", thread, wait=["thread/deleted"]),
            read(thread),
        ],
    )


MISSING_FILES = (
    _gone("a file that is gone", PLAIN),
    _gone("an archived file that is gone", ARCHIVED),
    _gone("a paginated file that is gone", PAGINATED),
)

SILENCE = Conversation(
    name="a thread in which nobody spoke",
    home=(LEGACY, SILENT),
    steps=[
        read(SILENT),
        update(SILENT, {"branch": "x"}),
        read(SILENT),
        listed(),
        about("thread/name/set", SILENT, name="Quiet"),
        about("thread/memoryMode/set", SILENT, mode="disabled"),
        about("thread/archive", SILENT),
        about("thread/unarchive", SILENT),
        FILES,
    ],
)

ODD_HEADS = Conversation(
    name="odd first lines",
    home=(LEGACY, *ODD),
    steps=[
        listed(),
        listed(useStateDbOnly=True),
        Ask("thread/list", {}),
        listed(cwd="/srv/shop"),
        *(read(thread, turns=turns) for thread in ODD for turns in (False, True)),
        *(update(thread, {"branch": "x"}) for thread in ODD),
        FILES,
    ],
)

TWO_FILES = Conversation(
    name="two files of one thread",
    home=(LEGACY, Stored(number=1, minute=30, text="A copy that has gone on", meta={"git": GIT})),
    steps=[listed(), read(LEGACY), read(LEGACY, turns=True), update(LEGACY, {"branch": "x"}), read(LEGACY), FILES],
)

_LONG_AGO = Stored(number=9, minute=9, text="An old turn", is_paginated=True)

RECENCY = Conversation(
    name="a turn long before the last write",
    home=(_LONG_AGO,),
    steps=[
        Restart(),
        appended(_LONG_AGO, "event_msg", {"type": "token_count", "info": None}),
        Restart(forgetting=True),
        listed(),
        read(_LONG_AGO),
    ],
)


FILES_ALONE = (
    LATE_FILES,
    LATE_READING,
    REBUILT,
    REBUILT_LOSSES,
    *MISSING_FILES,
    SILENCE,
    ODD_HEADS,
    TWO_FILES,
    RECENCY,
)
