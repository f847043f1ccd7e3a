"""Conversations that change something: each on a home of its own, held with both servers."""

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.interop.app_server.library import GIT, ODD, UNKNOWN
from tests.interop.app_server.stored import Stored, spawned_by, thread_id
from tests.interop.app_server.talk import Ask, Change, Conversation, Look, Restart, Step, rollouts

NO_ID = "invalid character: expected an optional prefix of `urn:uuid:` followed by [0-9a-fA-F-], found `n` at 1"
LEGACY = Stored(number=1, minute=1, text="Repair the till", meta={"git": GIT})
PLAIN = Stored(number=2, minute=2, text="Without git")
PAGINATED = Stored(number=3, minute=3, text="Paint the shop", is_paginated=True, meta={"git": GIT})
ARCHIVED = Stored(number=4, minute=4, text="Put away", is_archived=True)
ARCHIVED_PAGINATED = Stored(number=5, minute=5, text="Put away too", is_archived=True, is_paginated=True)
CHILD = Stored(number=6, minute=6, text="Look at the drawer", meta={"source": spawned_by(1, 1)})
LATE = Stored(number=7, minute=7, text="Written afterwards")
LATE_ARCHIVED = Stored(number=8, minute=8, text="Written afterwards, and put away", is_archived=True)
SILENT = Stored(number=9, minute=9)

HOME = (LEGACY, PLAIN, PAGINATED, ARCHIVED, ARCHIVED_PAGINATED, CHILD)
ALL = {"modelProviders": [], "sourceKinds": ["cli", "vscode", "exec", "appServer", "subAgent", "unknown"]}
NOBODY = thread_id(UNKNOWN)

UPDATE = "thread/metadata/update"
FILES = Look("rollouts", rollouts)


def update(thread: Stored | str, git: Any, **expected: Any) -> Ask:
    """Edit the git info of a thread."""
    return Ask(UPDATE, {"threadId": thread if isinstance(thread, str) else thread.id, "gitInfo": git}, **expected)


def read(thread: Stored | str, *, turns: bool = False) -> Ask:
    """Read a thread."""
    return Ask("thread/read", {"threadId": thread if isinstance(thread, str) else thread.id, "includeTurns": turns})


def listed(**params: Any) -> Ask:
    """A listing."""
    return Ask("thread/list", {**ALL, **params})


def about(
    method: str, thread: Stored | str, *, wait: Sequence[str] = (), refused: str | None = None, **more: Any
) -> Ask:
    """Any request about one thread."""
    thread = thread if isinstance(thread, str) else thread.id
    return Ask(method, {"threadId": thread, **more}, wait=wait, refused=refused)


def archive(thread: Stored) -> Ask:
    """Put a thread away; both must say so."""
    return about("thread/archive", thread, wait=["thread/archived"])


def unarchive(thread: Stored) -> Ask:
    """Bring it back; both must say so."""
    return about("thread/unarchive", thread, wait=["thread/unarchived"])


def tail(thread: Stored, count: int = 1) -> Look:
    """The last lines of a thread's rollout, wherever it lies, and how many it has."""

    def look(home: Path, saved: Mapping[str, str]) -> Any:
        return [_tail(path, count) for path in home.glob(f"*sessions/**/rollout-*{thread.id}.jsonl")]

    return Look(f"the end of {thread.text!r}", look)


def _tail(path: Path, count: int) -> Any:
    lines = path.read_bytes().split(b"\n")
    return {
        "lines": len(lines) - 1,
        "rest": lines[-1].decode(),
        "last": [json.loads(line) for line in lines[-1 - count : -1]],
    }


def names(home: Path, saved: Mapping[str, str]) -> Any:
    """The file of names."""
    path = home / "session_index.jsonl"
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()] if path.exists() else []


NAMES = Look("session_index.jsonl", names)


def appended(thread: Stored, kind: str, payload: Mapping[str, Any], number: int = 9) -> Change:
    """Another process writes one more line of a thread."""

    def change(home: Path) -> None:
        with thread.path(home).open("ab") as file:
            file.write(thread.line(number, kind, payload))
        os.utime(thread.path(home), (thread.began_at + 3_600, thread.began_at + 3_600))

    return Change(change)


def written(thread: Stored) -> Change:
    """Another process writes a thread."""
    return Change(thread.write)


def removed(thread: Stored) -> Change:
    """Somebody removes a rollout."""
    return Change(lambda home: thread.path(home).unlink())


def _edits() -> Sequence[Conversation]:
    found = []
    for word, thread in (("legacy", LEGACY), ("plain", PLAIN), ("paginated", PAGINATED), ("archived", ARCHIVED),
                         ("archived paginated", ARCHIVED_PAGINATED), ("child", CHILD)):  # fmt: skip
        steps: list[Step] = [
            update(thread, {"branch": "feature/new"}),
            tail(thread),
            read(thread),
            update(thread, {"sha": "def456", "originUrl": "https://example.com/r.git"}),
            update(thread, {"branch": None}),
            tail(thread),
            update(thread, {"branch": "  padded \n"}),
            read(thread),
            update(thread, {"sha": None, "branch": None, "originUrl": None}),
            tail(thread),
            read(thread),
            listed(),
            listed(archived=True),
            Restart(),
            read(thread),
            listed(),
            FILES,
        ]
        found.append(Conversation(name=f"edit {word}", home=HOME, steps=steps))
    return found


EMPTY = "gitInfo must include at least one field"
NO_EDIT = "thread metadata update must include at least one field"

REFUSED_EDITS = Conversation(
    name="refused edits",
    home=HOME,
    steps=[
        update(LEGACY, {}, refused=EMPTY),
        update(LEGACY, {"unknown": "x"}, refused=EMPTY),
        update(LEGACY, None, refused=NO_EDIT),
        about(UPDATE, LEGACY, refused=NO_EDIT),
        update(LEGACY, {"branch": ""}, refused="gitInfo.branch must not be empty"),
        update(LEGACY, {"branch": " \t\n"}, refused="gitInfo.branch must not be empty"),
        update(LEGACY, {"sha": "  "}, refused="gitInfo.sha must not be empty"),
        update(LEGACY, {"originUrl": ""}, refused="gitInfo.originUrl must not be empty"),
        update(LEGACY, {"originUrl": "", "branch": "", "sha": ""}),
        update(LEGACY, {"sha": "", "branch": ""}),
        update(LEGACY, {"branch": 5}, refused="Invalid request: invalid type: integer `5`, expected a string"),
        update(LEGACY, {"branch": ["x"]}, refused="Invalid request: invalid type: sequence, expected a string"),
        update(LEGACY, "x"),
        update(LEGACY, 5),
        update(LEGACY, []),
        update(LEGACY, ["a", "b", "c"]),
        update(NOBODY, {"branch": "x"}, refused=f"no rollout found for thread id {NOBODY}"),
        update(NOBODY, {}, refused=EMPTY),
        update("nope", {"branch": "x"}, refused=f"invalid thread id: {NO_ID}"),
        update("nope", {}),
        update("nope", {"branch": ""}),
        update("", {"branch": "x"}),
        update("../../../etc/passwd", {"branch": "x"}),
        Ask(UPDATE, {"gitInfo": {"branch": "x"}}, refused="Invalid request: missing field `threadId`"),
        Ask(UPDATE, refused="Invalid request: missing field `params`"),
        update(LEGACY.id.upper(), {"branch": "upper case"}),
        update(f"urn:uuid:{LEGACY.id}", {"branch": "urn"}),
        update(LEGACY.id.replace("-", ""), {"branch": "bare"}),
        update("{" + LEGACY.id + "}", {"branch": "braces"}),
        update(LEGACY, {"branch": "b" * 10_000}),
        update(LEGACY, {"branch": "zażółć 世界 😀\nline \u2028 \x01"}),
        read(LEGACY),
        tail(LEGACY),
    ],
)

NAMING = Conversation(
    name="names",
    home=HOME,
    steps=[
        *(
            step
            for thread in (LEGACY, PAGINATED, CHILD)
            for step in (
                about("thread/name/set", thread, name=f"Called {thread.number}", wait=["thread/name/updated"]),
                read(thread),
                tail(thread),
            )
        ),
        about("thread/name/set", ARCHIVED, name="Away"),
        about("thread/name/set", ARCHIVED_PAGINATED, name="Away"),
        NAMES,
        about("thread/name/set", LEGACY, name="  again  ", wait=["thread/name/updated"]),
        NAMES,
        read(LEGACY),
        about("thread/name/set", LEGACY, name=""),
        about("thread/name/set", LEGACY, name="  "),
        about("thread/name/set", NOBODY, name="x"),
        about("thread/name/set", "nope", name="x"),
        about("thread/name/set", LEGACY, name=5),
        listed(),
        listed(searchTerm="again"),
        listed(searchTerm="again", useStateDbOnly=True),
        Restart(),
        read(LEGACY),
        listed(),
    ],
)

MEMORY_MODES = Conversation(
    name="memory modes",
    home=HOME,
    steps=[
        *(
            step
            for thread in (LEGACY, PAGINATED, ARCHIVED, ARCHIVED_PAGINATED)
            for mode in ("disabled", "disabled", "enabled")
            for step in (about("thread/memoryMode/set", thread, mode=mode), tail(thread), read(thread))
        ),
        about("thread/memoryMode/set", LEGACY, mode="polluted"),
        about("thread/memoryMode/set", LEGACY, mode=5),
        about("thread/memoryMode/set", LEGACY, mode=None),
        about("thread/memoryMode/set", NOBODY, mode="disabled"),
        about("thread/memoryMode/set", "nope", mode="disabled"),
        update(LEGACY, {"branch": "after"}),
        tail(LEGACY),
    ],
)

ARCHIVING = Conversation(
    name="archive and bring back",
    home=HOME,
    steps=[
        archive(LEGACY),
        FILES,
        about("thread/archive", LEGACY, refused=f"no rollout found for thread id {LEGACY.id}"),
        archive(PAGINATED),
        listed(),
        listed(archived=True),
        read(LEGACY),
        read(LEGACY, turns=True),
        about(
            "thread/resume",
            LEGACY,
            refused=f"session {LEGACY.id} is archived. Run `codex unarchive {LEGACY.id}` to unarchive it first.",
        ),
        update(LEGACY, {"branch": "while away"}),
        unarchive(LEGACY),
        FILES,
        read(LEGACY),
        about("thread/unarchive", LEGACY, refused=f"no archived rollout found for thread id {LEGACY.id}"),
        unarchive(ARCHIVED),
        unarchive(ARCHIVED_PAGINATED),
        archive(ARCHIVED),
        FILES,
        about("thread/archive", NOBODY, refused=f"no rollout found for thread id {NOBODY}"),
        about("thread/unarchive", NOBODY, refused=f"no archived rollout found for thread id {NOBODY}"),
        about("thread/archive", "nope", refused=f"invalid session id: {NO_ID}"),
        about("thread/unarchive", "nope", refused=f"invalid session id: {NO_ID}"),
        Ask("thread/archive", {}, refused="Invalid request: missing field `threadId`"),
        about("thread/archive", LEGACY.id.upper(), wait=["thread/archived"]),
        listed(),
        listed(archived=True),
        Restart(),
        listed(),
        listed(archived=True),
        FILES,
    ],
)

DELETING = Conversation(
    name="delete",
    home=HOME,
    steps=[
        about("thread/delete", PLAIN, wait=["thread/deleted"]),
        FILES,
        read(PLAIN),
        listed(),
        about("thread/delete", PLAIN),
        about("thread/delete", PAGINATED, wait=["thread/deleted"]),
        about("thread/delete", ARCHIVED, wait=["thread/deleted"]),
        about("thread/delete", "nope"),
        about("thread/delete", NOBODY),
        FILES,
        listed(),
        listed(archived=True),
        update(PLAIN, {"branch": "x"}),
        Restart(),
        listed(),
        FILES,
    ],
)

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

MISSING_FILE = Conversation(
    name="a file that is gone",
    home=HOME,
    steps=[
        listed(),
        removed(PLAIN),
        read(PLAIN),
        read(PLAIN, turns=True),
        update(PLAIN, {"branch": "x"}),
        about("thread/archive", PLAIN),
        about("thread/name/set", PLAIN, name="x"),
        about("thread/memoryMode/set", PLAIN, mode="disabled"),
        listed(),
    ],
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

PAGES = Conversation(
    name="pages there and back",
    home=HOME,
    steps=[
        listed(limit=2),
        *(
            step
            for key in ("created_at", "updated_at", "recency_at")
            for step in (
                Ask("thread/list", {**ALL, "limit": 2, "sortKey": key}, save={"C": "result.nextCursor"}),
                Ask(
                    "thread/list",
                    {**ALL, "limit": 2, "sortKey": key, "cursor": "${C}"},
                    save={"B": "result.backwardsCursor"},
                ),
                listed(limit=2, sortKey=key, cursor="${B}", sortDirection="asc"),
                listed(limit=2, sortKey=key, cursor="${B}"),
                listed(limit=2, sortKey=key, cursor="${C}", sortDirection="asc"),
                listed(limit=2, sortKey=key, cursor="${C}", useStateDbOnly=True),
            )
        ),
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

BOTH_PLACES = Conversation(
    name="a thread in both folders",
    home=(LEGACY, Stored(number=1, minute=1, text="The archived one", is_archived=True)),
    steps=[
        listed(),
        listed(archived=True),
        read(LEGACY),
        about("thread/archive", LEGACY),
        about("thread/unarchive", LEGACY),
        FILES,
    ],
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

STORED: Sequence[Conversation] = (
    *_edits(),
    REFUSED_EDITS,
    NAMING,
    MEMORY_MODES,
    ARCHIVING,
    DELETING,
    LATE_FILES,
    LATE_READING,
    REBUILT,
    REBUILT_LOSSES,
    MISSING_FILE,
    SILENCE,
    PAGES,
    ODD_HEADS,
    TWO_FILES,
    BOTH_PLACES,
    RECENCY,
)
"""About stored threads alone."""

LIVE: Sequence[Conversation] = (
    RESUMING,
    _live("a live thread"),
    _live("a live thread in the older format", historyMode="legacy"),
    EPHEMERAL,
)
"""With threads that are live in the server."""
