"""What all messages share: a reply that is known, a lane that fits, and a word on asking again."""

import re

import attrs
import pytest

from state.ids import Scope
from state.messages.backfill import (
    CompareThreadNames,
    FindKnownRollouts,
    GetBackfillState,
    ListKnownRollouts,
    ListPendingRollouts,
    ListTroubledRollouts,
    LoadCheckpoints,
)
from state.messages.base import Lane, Request
from state.messages.consolidation import (
    GetConsolidationTotals,
    GetHomeGeneration,
    ListPublishedScopes,
    LoadScopeMemories,
)
from state.messages.drift import (
    CompareReadings,
    FindIndexDrift,
    ListDamagedLeases,
    ListGenerations,
    ListHeldLeases,
    ListThreadRows,
    LookUpRollouts,
)
from state.messages.extraction import GetExtractionTotals
from state.messages.jobs import GetBackOffs, GetJob, JobKind, ListJobs
from state.messages.memories import GetMemories, ListMemories, MemoryAnchor
from state.messages.memory_rows import GetNewestMemory, LastMemories
from state.messages.service import ListProcesses, ListWorkers
from state.messages.stored_threads import GetStoredThread
from state.messages.thread_family import FindThreadFamily
from state.messages.thread_places import FindRolloutPath
from state.messages.thread_tools import GetDynamicTools
from state.messages.threads import GetThread, ListThreadIds, ListThreads, ThreadAnchor
from state.rules.registry import RULES
from tests.fakes.extraction import EVERYTHING
from tests.fakes.memory_state import MemoryState
from tests.fakes.readings import facts, found, index, path_of, read, thread_id

MESSAGES = [message for message in RULES.whole() if message.__module__.startswith("state.messages.")]

SHOP = Scope(kind="cwd", key="/home/ann/shop")

READS: list[Request[object]] = [
    GetBackfillState(),
    ListKnownRollouts(),
    FindKnownRollouts(paths=(path_of(1),)),
    ListPendingRollouts(),
    LoadCheckpoints(paths=(path_of(1),)),
    ListTroubledRollouts(),
    LoadScopeMemories(scope=SHOP, limit=5, unused_ms_max=5),
    ListPublishedScopes(),
    GetHomeGeneration(),
    GetConsolidationTotals(),
    GetExtractionTotals(eligibility=EVERYTHING),
    ListJobs(kind=JobKind.EXTRACTION, status="pending"),
    GetBackOffs(),
    GetJob(job_id=f"extraction:{thread_id(1)}"),
    ListMemories(scope=SHOP, anchor=MemoryAnchor(updated_at_ms=1, thread_id=thread_id(1), scope=SHOP)),
    GetMemories(thread_id=thread_id(1)),
    GetNewestMemory(thread_id=thread_id(1)),
    LastMemories(scope=SHOP, count=5),
    ListProcesses(),
    ListWorkers(),
    ListThreads(
        anchor=ThreadAnchor(at_ms=1, id=thread_id(1)),
        sources=("cli",),
        model_providers=("openai",),
        cwds=("/home/ann/shop",),
        title_contains="task",
    ),
    ListThreadIds(limit=3),
    GetThread(thread_id=thread_id(1)),
    FindThreadFamily(thread_id=thread_id(1)),
    GetDynamicTools(thread_id=thread_id(1)),
    FindRolloutPath(thread_id=thread_id(1)),
    GetStoredThread(thread_id=thread_id(1)),
    CompareThreadNames(names={thread_id(1): "the login"}),
    CompareReadings(readings=(read(found(path_of(1)), facts(1)),), model_provider_default="openai"),
    FindIndexDrift(),
    ListDamagedLeases(),
    ListGenerations(),
    ListHeldLeases(),
    ListThreadRows(),
    LookUpRollouts(paths=(path_of(1),), threads=(thread_id(1),)),
]


def test_every_read_is_tried_here() -> None:
    assert {type(one) for one in READS} == {message for message in MESSAGES if not message.mutates}


@pytest.mark.parametrize("request_", READS, ids=lambda request: type(request).__name__)
def test_read_is_answered_where_nothing_can_be_written(request_: Request[object], state: MemoryState) -> None:
    index(state, facts(1))
    state.rows("PRAGMA query_only = ON")

    state.ask(request_)


@pytest.mark.parametrize("message", MESSAGES, ids=lambda message: message.__name__)
def test_message_is_a_frozen_value_with_named_fields(message: type[Request[object]]) -> None:
    assert attrs.has(message)
    assert all(field.kw_only for field in attrs.fields(message))
    instance = message.__new__(message)
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        instance.anything = 1  # type: ignore[attr-defined]  # that it cannot be set is the point


@pytest.mark.parametrize("message", [m for m in MESSAGES if m.mutates], ids=lambda message: message.__name__)
def test_change_says_whether_asking_again_is_safe(message: type[Request[object]]) -> None:
    assert re.search(r"asking .*again|repeatable", " ".join((message.__doc__ or "").split()), re.IGNORECASE)


@pytest.mark.parametrize("message", MESSAGES, ids=lambda message: message.__name__)
def test_what_keeps_or_ends_a_lease_goes_before_claims_and_bulk_writes_after_them(
    message: type[Request[object]],
) -> None:
    verb = re.match("[A-Z][a-z]+", message.__name__)
    assert verb is not None
    if verb[0] in ("Renew", "Finish", "Fail", "Release", "Publish", "Return"):
        assert message.lane is Lane.URGENT
    elif verb[0] in ("Claim", "Get", "List"):
        assert message.lane is Lane.CLAIM
    elif verb[0] in ("Register", "Record", "Mark") and message.__module__ == "state.messages.backfill":
        assert message.lane is Lane.BULK
