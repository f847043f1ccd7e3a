"""What reading a rollout gives, made up: enough of it for every rule that only looks at the values."""

from typing import Any

import attrs

from state.ids import OwnershipToken, ThreadId
from state.messages.backfill import ClaimBackfill, RecordRollouts, RegisterRollouts, RolloutRead, RolloutsRecorded
from state.rollouts.model import Checkpoint, FoundRollout, RolloutReading, ThreadFacts
from tests.fakes.memory_state import MemoryState, terms

CONTENT_AT_MS = 1_789_000_000_000
"""When the last meaningful line of a made-up rollout was written: about eleven days before ManualClock begins."""

SCAN = OwnershipToken("scan-token")
"""The token under which `index` records."""


def thread_id(number: int) -> ThreadId:
    """The id of the made-up thread with this number; greater numbers have greater ids."""
    return ThreadId(f"01990000-0000-7000-8000-{number:012x}")


def facts(number: int = 1, **changes: Any) -> ThreadFacts:
    """What a rollout of thread `number` says; `changes` replace single facts."""
    plain = ThreadFacts(
        thread_id=thread_id(number),
        created_at_ms=CONTENT_AT_MS - 1_000,
        source="cli",
        originator="codex_cli_rs",
        thread_source=None,
        parent_thread_id=None,
        forked_from_id=None,
        agent_nickname=None,
        agent_role=None,
        agent_path=None,
        model_provider="openai",
        cwd="/home/ann/shop",
        cli_version="0.1.0",
        history_mode="local",
        memory_mode="enabled",
        git_sha=None,
        git_branch="main",
        git_origin_url=None,
        title=f"task {number}",
        first_user_message=f"do task {number}",
        preview=f"do task {number}",
        tokens_used=10,
        sandbox_policy="read-only",
        approval_mode="on-request",
        model="gpt-5.4",
        reasoning_effort=None,
        turn_started_at_ms=CONTENT_AT_MS - 500,
        content_at_ms=CONTENT_AT_MS,
        content_lines=1,
        content_digest="digest-1",
        dynamic_tools=(),
    )
    return attrs.evolve(plain, **changes)


def found(path: str, **changes: Any) -> FoundRollout:
    """A listed file; its archived flag follows from the path."""
    plain = FoundRollout(
        path=path,
        archived=path.startswith("archived_sessions/"),
        size_bytes=100,
        mtime_ns=CONTENT_AT_MS * 1_000_000,
        inode=7,
    )
    return attrs.evolve(plain, **changes)


def path_of(number: int) -> str:
    """Where the rollout of thread `number` lies unless a test says otherwise."""
    return f"sessions/2026/09/10/rollout-2026-09-10T00-00-00-{thread_id(number)}.jsonl"


def read(file: FoundRollout, content: ThreadFacts | None, *, remark: str | None = None) -> RolloutRead:
    """The file was read and holds this content; None: it holds no thread."""
    return RolloutRead(
        found=file,
        reading=RolloutReading(
            facts=content,
            refusal=None if content else "it has no session_meta",
            remark=remark,
            checkpoint=Checkpoint(
                offset_bytes=file.size_bytes,
                head_digest="head",
                tail_digest="tail",
                fold=f"fold of {file.path}".encode(),
            ),
            size_bytes=file.size_bytes,
            mtime_ns=file.mtime_ns,
            continued=False,
            bytes_read=file.size_bytes,
            lines_skipped=0,
        ),
    )


def index(state: MemoryState, content: ThreadFacts, *, path: str | None = None, **changes: Any) -> RolloutsRecorded:
    """Have a thread's rollout listed and recorded, as a scan does."""
    number = int(content.thread_id.rpartition("-")[2], 16)
    file = found(path or path_of(number), **changes)
    state.ask(ClaimBackfill(terms=terms(SCAN, process="scanner", lease_ms=86_400_000)))
    state.ask(RegisterRollouts(token=SCAN, found=(file,)))
    recorded = state.ask(RecordRollouts(token=SCAN, model_provider_default="openai", outcomes=(read(file, content),)))
    assert isinstance(recorded, RolloutsRecorded)
    return recorded
