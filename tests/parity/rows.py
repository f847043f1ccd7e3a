"""What the parity tests ask for again and again, in few words."""

from typing import Any

import attrs

from state.messages.thread_rows import ApplyRolloutItems, RolloutApplied, ThreadFields
from state.messages.threads import GetThread, Thread, ThreadFound
from tests.fakes.memory_state import MemoryState
from tests.fakes.readings import CONTENT_AT_MS, facts, found, path_of, read, thread_id

ONE = thread_id(1)


def metadata(number: int = 1, **changes: Any) -> ThreadFields:
    """A whole row, as a program that runs the thread knows it."""
    plain = ThreadFields(
        id=thread_id(number),
        rollout_path=path_of(number),
        created_at_ms=CONTENT_AT_MS - 1_000,
        updated_at_ms=CONTENT_AT_MS,
        source="cli",
        model_provider="openai",
        cwd="/home/ann/shop",
        cli_version="0.0.0",
        title=f"do task {number}",
        first_user_message=f"do task {number}",
        preview=f"do task {number}",
    )
    return attrs.evolve(plain, **changes)


def thread(state: MemoryState, number: int = 1) -> Thread:
    """A thread's row."""
    answer = state.ask(GetThread(thread_id=thread_id(number)))
    assert isinstance(answer, ThreadFound)
    return answer.thread


def apply(state: MemoryState, number: int = 1, *, mtime_ms: int = CONTENT_AT_MS, **said: Any) -> RolloutApplied:
    """Replay a thread's rollout, which says what `facts` says, with these changes."""
    terms = {key: said.pop(key) for key in ("new_thread_memory_mode", "updated_at_ms") if key in said}
    reading = read(found(path_of(number), mtime_ns=mtime_ms * 1_000_000), facts(number, **said))
    reply = state.ask(ApplyRolloutItems(read=reading, model_provider_default="openai", **terms))
    assert isinstance(reply, RolloutApplied)
    return reply
