"""A home with stored threads that listings tell apart, and a host that answers from it, with a store or without."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import attrs

from config import Settings
from interfaces.rpc.host import Defaults, Host, LiveThread
from state.store import StateHandle
from tests.fakes.codex_home import CodexHome
from tests.fakes.live_threads import NoLiveThreads
from tests.fakes.readings import thread_id
from workers.backfill import LiveIndex
from workers.redaction import redact

CLI, ARCHIVED, OTHER_PROVIDER, CHILD, GRANDCHILD, NEWER, UNKNOWN, ATLAS = (thread_id(number) for number in range(1, 9))
NOWHERE = thread_id(15)

UPDATED_AT = 1_790_000_000
"""When the first of them was written, Unix seconds; the others one second after the other."""

TURN = "turn-of-a-newer-thread"


@attrs.frozen
class LiveOne:
    """A thread that lives."""

    is_ephemeral: bool = False
    is_in_turn: bool = True
    is_recorded: bool = True

    def live_members(self) -> Mapping[str, Any]:
        return {"status": {"type": "idle"}}

    async def materialize(self) -> None:
        pass

    async def append(self, line: bytes) -> None:
        raise AssertionError(f"nobody writes while somebody reads: {line!r}")


@attrs.define
class LoadedOnes(NoLiveThreads):
    """The threads that live."""

    threads: set[str] = attrs.field(factory=set)

    def ids(self) -> list[str]:
        return list(self.threads)

    def get(self, thread_id: str) -> LiveThread | None:
        return LiveOne() if thread_id in self.threads else None

    async def unload(self, thread_id: str) -> bool:
        raise AssertionError(f"nobody ends {thread_id} by reading")


def make_threads(path: Path) -> CodexHome:
    """Eight threads, one hour apart, the first the oldest."""
    home = CodexHome(path)
    path.mkdir(parents=True)
    home.session(thread_id=CLI, hours_ago=8, cwd="/w/a").user("mend the login")
    home.session(thread_id=ARCHIVED, hours_ago=7, archived=True).user("put away")
    home.session(thread_id=OTHER_PROVIDER, hours_ago=6, model_provider="azure").user("mend it elsewhere")
    for one, parent, hours in ((CHILD, CLI, 5), (GRANDCHILD, CHILD, 4)):
        spawn: Any = {"subagent": {"thread_spawn": {"parent_thread_id": parent, "depth": 1}}}
        home.session(thread_id=one, hours_ago=hours, source=spawn, model_provider="azure").user("help")
    newer = home.session(thread_id=NEWER, hours_ago=3, history_mode="paginated", cwd="/w/b")
    newer.line("event_msg", {"type": "task_started", "turn_id": TURN, "started_at": 5})
    for number, item in enumerate(
        (
            {"type": "UserMessage", "id": "u", "content": [{"type": "text", "text": "go on"}]},
            {"type": "Reasoning", "id": "r", "summary_text": ["hm"], "raw_content": []},
            {"type": "AgentMessage", "id": "a", "content": [{"type": "Text", "text": "done"}]},
        )
    ):
        told = {"item": item, "turn_id": TURN, "started_at_ms": number, "completed_at_ms": number}
        newer.line("event_msg", {"type": "item_completed", **told})
    newer.line("event_msg", {"type": "task_complete", "turn_id": TURN, "completed_at": 6, "duration_ms": 7})
    home.session(thread_id=UNKNOWN, hours_ago=2, source="weird").user("who is this")
    atlas: Any = {"custom": "atlas"}
    home.session(thread_id=ATLAS, hours_ago=1, source=atlas).user("the map")
    for number, rollout in enumerate(sorted(path.rglob("rollout-*"))):
        os.utime(rollout, (UPDATED_AT + number, UPDATED_AT + number))
    return home


def host_of(home: CodexHome, handle: StateHandle | None, loaded: LoadedOnes | None = None) -> Host:
    """A host whose own provider is the one of most threads."""
    return Host(
        handle=handle,
        codex_home=home.path,
        defaults=Defaults(model_provider="openai"),
        index=_NoIndex() if handle is None else LiveIndex(handle, home.path, Settings()),
        loaded=LoadedOnes() if loaded is None else loaded,
        version="1.2.3",
        redact=redact,
    )


class _NoIndex:
    """Nothing to bring in step."""

    async def catch_up(self) -> None:
        raise AssertionError("there is no index")

    async def refresh(self, paths: object) -> bool:
        raise AssertionError(f"there is no index for {paths}")
