"""What the store is asked: a script of batches with everything that memoryd does, made from a seed.

Threads are indexed, change and are indexed again; their jobs are claimed, renewed, finished, failed and given back;
projects are consolidated and published. Askers mint their tokens, so the whole script is known beforehand, and the
same script can be asked of a store whose disk fails on the way. Refusals are part of it.
"""

import random
from collections.abc import Sequence
from typing import Any

from state.ids import OwnershipToken, ProcessUuid, Scope, ThreadId
from state.messages.backfill import (
    ClaimBackfill,
    FinishBackfill,
    MarkRolloutsVanished,
    RecordRollouts,
    RegisterRollouts,
    RenewBackfill,
    RolloutRead,
)
from state.messages.base import Request
from state.messages.consolidation import ClaimConsolidation, FailConsolidation, PointCurrent, PublishConsolidation
from state.messages.extraction import (
    ClaimExtraction,
    Eligibility,
    ExtractorId,
    FailExtraction,
    FailureClass,
    FinishExtraction,
    GetExtractionTotals,
    MemoryDraft,
    MemoryNote,
    ReleaseExtraction,
    RenewExtraction,
    TokenUsage,
)
from state.messages.leases import ClaimTerms, Owner
from state.rollouts.model import Checkpoint, FoundRollout, RolloutReading, ThreadFacts

Script = tuple[tuple[Request[Any], ...], ...]
"""Batches: what is asked at one time."""

CONTENT_AT_MS = 1_789_000_000_000
"""When the invented threads were written."""

_EVERYTHING = Eligibility(sources=("cli",), idle_ms=0, age_ms_max=None)
_EXTRACTOR = ExtractorId(name="builtin", version=1)
_OWNER = Owner(process=ProcessUuid("process-of-the-script"), worker="worker")
_SCAN = OwnershipToken("scan")
_LEASE_MS = 3_600_000
_FOLDERS = ("/home/ann/shop", "/home/ann/blog", "/home/ann/game")


def script(seed: int, rounds: int) -> Script:
    """Make a script. A round is about seven batches and indexes three threads."""
    source = random.Random(f"script {seed}")
    batches: list[list[Request[Any]]] = []
    for number in range(rounds):
        batches += _round(source, number)
    return tuple(tuple(batch) for batch in batches if batch)


def indexing(threads: int) -> Script:
    """Batches after which there are so many threads, each with a job."""
    numbers = range(threads)
    return (
        (ClaimBackfill(terms=terms_of(_SCAN)), _register(numbers, 0)),
        (_record(numbers, 0),),
        (FinishBackfill(token=_SCAN, listed=True),),
    )


def _round(source: random.Random, number: int) -> list[list[Request[Any]]]:
    threads = range(3 * number, 3 * number + 3)
    again = source.sample(range(3 * number), k=min(2, 3 * number))
    batches: list[list[Request[Any]]] = [
        [ClaimBackfill(terms=terms_of(_SCAN)), _register([*threads, *again], number)],
        [_record([*threads, *again], number), RenewBackfill(token=_SCAN, lease_ms=_LEASE_MS)],
        [],
        [],
        [],
        [],
    ]
    tokens = [OwnershipToken(f"job-{number}-{slot}") for slot in range(4)]
    batches[2] += [ClaimExtraction(terms=terms_of(token), eligibility=_EVERYTHING) for token in tokens]
    batches[2].append(GetExtractionTotals(eligibility=_EVERYTHING))
    batches[3] += [RenewExtraction(token=token, lease_ms=_LEASE_MS) for token in tokens[:2]]
    ends: list[Request[Any]] = [finish(source, token) for token in tokens[:2]]
    ends.append(source.choice([_fail(tokens[2]), ReleaseExtraction(token=tokens[2]), finish(source, tokens[2])]))
    ends.append(finish(source, tokens[3]))
    # Some end beside a renewal, some beside a claim, some alone.
    for end in ends:
        batches[source.choice((3, 4, 4))].append(end)
    if number % 3 == 2:
        batches[4].append(MarkRolloutsVanished(token=_SCAN, paths=(_path(source.randrange(3 * number)),)))
    batches[5].append(FinishBackfill(token=_SCAN, listed=True))
    return batches + _consolidation(source, number)


def _consolidation(source: random.Random, number: int) -> list[list[Request[Any]]]:
    tokens = [OwnershipToken(f"scope-{number}-{slot}") for slot in range(2)]
    ends: list[Request[Any]] = [_publish(token, number) for token in tokens]
    if source.random() < 0.3:
        ends[1] = FailConsolidation(token=tokens[1], reason="the disk is full", jitter_permille=1000)
    points: list[Request[Any]] = [PointCurrent(scope=Scope(kind="cwd", key=folder)) for folder in _FOLDERS]
    claims: list[Request[Any]] = [ClaimConsolidation(terms=terms_of(token)) for token in tokens]
    # Who repairs the links may ask at the very moment at which somebody publishes.
    return [claims, [*ends, *points]] if number % 2 else [claims, ends, points]


def terms_of(token: OwnershipToken, owner: Owner = _OWNER) -> ClaimTerms:
    """How the script claims."""
    return ClaimTerms(token=token, owner=owner, lease_ms=_LEASE_MS)


def _thread(number: int) -> ThreadId:
    return ThreadId(f"01990000-0000-7000-8000-{number:012x}")


def _path(number: int) -> str:
    return f"sessions/2026/09/10/rollout-2026-09-10T00-00-00-{_thread(number)}.jsonl"


def _found(number: int, version: int) -> FoundRollout:
    return FoundRollout(
        path=_path(number), archived=False, size_bytes=100 + version, mtime_ns=CONTENT_AT_MS * 1_000_000, inode=number
    )


def _register(numbers: Sequence[int], version: int) -> RegisterRollouts:
    return RegisterRollouts(token=_SCAN, found=tuple(_found(number, version) for number in numbers))


def _record(numbers: Sequence[int], version: int) -> RecordRollouts:
    return RecordRollouts(
        token=_SCAN, model_provider_default="openai", outcomes=tuple(_read(number, version) for number in numbers)
    )


def _read(number: int, version: int) -> RolloutRead:
    found = _found(number, version)
    return RolloutRead(
        found=found,
        reading=RolloutReading(
            facts=_facts(number, version),
            refusal=None,
            remark=None,
            checkpoint=Checkpoint(
                offset_bytes=found.size_bytes,
                head_digest=f"head-{number}",
                tail_digest=f"tail-{version}",
                fold=bytes([number % 256]) * 900,
            ),
            size_bytes=found.size_bytes,
            mtime_ns=found.mtime_ns,
            continued=False,
            bytes_read=found.size_bytes,
            lines_skipped=0,
        ),
    )


def _facts(number: int, version: int) -> ThreadFacts:
    return ThreadFacts(
        thread_id=_thread(number),
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
        cwd=_FOLDERS[number % len(_FOLDERS)],
        cli_version="0.1.0",
        history_mode="local",
        memory_mode="enabled",
        git_sha=None,
        git_branch="main",
        git_origin_url=None,
        title=f"task {number}",
        first_user_message=f"do task {number}",
        preview=f"do task {number}",
        tokens_used=10 * version,
        sandbox_policy="read-only",
        approval_mode="on-request",
        model="gpt-5.4",
        reasoning_effort=None,
        turn_started_at_ms=CONTENT_AT_MS - 500,
        content_at_ms=CONTENT_AT_MS + version,
        content_lines=1 + version,
        content_digest=f"digest-{version}",
        dynamic_tools=(),
    )


def finish(source: random.Random, token: OwnershipToken) -> FinishExtraction:
    """End a job with a memory that names this token in all its parts.

    Some memories fill several pages, so that half of one could be there.
    """
    words = " ".join(f"{source.randrange(1_000_000):06}" for _ in range(source.choice((5, 60, 1_500))))
    notes = tuple(
        MemoryNote(kind="preference", topic=f"topic {line}", text=f"{token} {line}", line=line, at_ms=None)
        for line in range(1, 4)
    )
    return FinishExtraction(
        token=token,
        input_digest=f"input of {token}",
        extractor=_EXTRACTOR,
        draft=MemoryDraft(raw_memory=words, rollout_summary=f"# {token}", rollout_slug="a-slug", notes=notes),
        usage=TokenUsage(input_tokens=1, output_tokens=2, model_calls=1),
    )


def _fail(token: OwnershipToken) -> FailExtraction:
    return FailExtraction(
        token=token,
        failure=FailureClass.TRANSIENT,
        reason="the model did not answer",
        jitter_permille=1000,
        retry_after_ms=None,
    )


def _publish(token: OwnershipToken, number: int) -> PublishConsolidation:
    return PublishConsolidation(
        token=token,
        generation_folder=f"generations/{token}",
        digest=f"digest of {token}",
        source_at_ms=CONTENT_AT_MS + number,
        memories=number + 1,
        staged=True,
    )
