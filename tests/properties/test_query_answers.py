"""Queries that walk an index answer what looking at every row answers, and what their indexes lead with is true."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from state.ids import Scope
from state.messages.backfill import MarkRolloutsVanished, RecordRollouts, RegisterRollouts, RolloutUnreadable
from state.messages.consolidation import (
    HOME_SCOPE,
    ClaimConsolidation,
    ConsolidationClaimed,
    MarkScopeDirty,
    NothingToConsolidate,
    ScopeHeld,
)
from state.messages.drift import RecordLostFiles
from state.messages.extraction import ClaimExtraction, Eligibility, ExtractionClaimed, NothingToExtract
from state.messages.extraction_claims import ClaimExtractionOf
from state.messages.thread_edits import MemoryMode, SetThreadMemoryMode, SetThreadName
from state.messages.thread_places import MarkThreadArchived, RepairRolloutPath
from state.messages.thread_rows import ThreadFields, UpsertThread
from state.messages.threads import ListThreadIds, ListThreads, ThreadAnchor, ThreadDirection, ThreadSort
from state.rollouts.model import UnreadablePath
from state.rules import thread_listing
from state.rules.consolidation_claims import SCOPE, ScopeRow, why_not_now
from state.rules.source_classes import class_of, sql_why_not_chosen, why_not_chosen
from tests.fakes.memory_state import MemoryState, terms
from tests.fakes.readings import SCAN, facts, found, index, path_of, read, thread_id

NESTED = '{"subagent":{"thread_spawn":{"parent_thread_id":"p"}}}'
ALSO_NESTED = '{"subagent":{"other":"guardian"}}'
SOURCES = ("cli", "exec", '{"custom":"atlas"}', '{"subagent":"review"}', NESTED, ALSO_NESTED, "", "{", "1:", "cl")
PROVIDERS = ("openai", "azure", "", "1:", "open")
FOLDERS = ("/a", "/b", "")
TITLES = ("mend the test", "Mend it", "the", "")
TIMES = st.integers(1, 4)


def draw_some(values: tuple[str, ...]) -> st.SearchStrategy[tuple[str, ...] | None]:
    """No filter, or one with a few values."""
    return st.none() | st.lists(st.sampled_from(values), max_size=3).map(tuple)


THREADS = st.lists(
    st.fixed_dictionaries(
        {
            "source": st.sampled_from(SOURCES),
            "model_provider": st.sampled_from(PROVIDERS),
            "cwd": st.sampled_from(FOLDERS),
            "title": st.sampled_from(TITLES),
            "preview": st.sampled_from(("", "seen", "seen")),
            "created_at_ms": TIMES,
            "turn_started_at_ms": TIMES,
        }
    ),
    max_size=8,
)
CHANGES = st.lists(
    st.tuples(
        st.sampled_from(
            (
                *("vanish", "back", "archive", "move", "forget", "remember", "name", "again"),
                *("lose", "upsert", "mute", "fail", "change"),
            )
        ),
        st.integers(0, 7),
    ),
    max_size=6,
)


def _fields(number: int, path: str) -> ThreadFields:
    return ThreadFields(
        id=thread_id(number), rollout_path=path, created_at_ms=1, updated_at_ms=2, model_provider="openai", preview="x"
    )


def made(threads: list[dict[str, Any]], changes: list[tuple[str, int]]) -> MemoryState:
    """A state with these threads, after these changes."""
    state = MemoryState()
    for number, thread in enumerate(threads):
        index(state, facts(number, **thread), mtime_ns=(number % 3) * 1_000_000)
    for what, number in changes:
        match what:
            case "vanish":
                state.ask(MarkRolloutsVanished(token=SCAN, paths=(path_of(number),)))
            case "back" if number < len(threads):
                index(state, facts(number, **threads[number]), mtime_ns=5_000_000)
            case "again" if number < len(threads):
                index(state, facts(number, **threads[number - 1]), path=f"archived_sessions/{number}.jsonl")
            case "archive":
                state.ask(
                    MarkThreadArchived(
                        thread_id=thread_id(number),
                        path=f"archived_sessions/{number}.jsonl",
                        archived_at_ms=5,
                        mtime_ms=None,
                    )
                )
            case "move":
                path = path_of((number + 1) % 8)
                state.ask(RepairRolloutPath(thread_id=thread_id(number), path=path, archived=False))
            case "lose":
                state.ask(RecordLostFiles(token=SCAN, threads=(thread_id(number),)))
            case "upsert":
                state.ask(UpsertThread(fields=_fields(number, path_of((number + 2) % 8))))
            case "mute":
                unreadable = (UnreadablePath(path=path_of(number), reason="no"),)
                state.ask(RegisterRollouts(token=SCAN, found=(), unreadable=unreadable))
            case "fail" | "change":
                # Recorded after it vanished, as by a scan that has looked before; as another thread's, or not at all.
                failed = RolloutUnreadable(path=path_of(number), reason="torn")
                changed = read(found(path_of(number)), facts((number + 3) % 8))
                outcome = failed if what == "fail" else changed
                state.ask(RecordRollouts(token=SCAN, model_provider_default="openai", outcomes=(outcome,)))
            case "forget" | "remember":
                mode = MemoryMode.DISABLED if what == "forget" else MemoryMode.ENABLED
                state.ask(SetThreadMemoryMode(thread_id=thread_id(number), mode=mode))
            case "name":
                state.ask(SetThreadName(thread_id=thread_id(number), name="the name"))
    return state


@given(THREADS, CHANGES)
def test_what_leads_the_indexes_is_true(threads: list[dict[str, Any]], changes: list[tuple[str, int]]) -> None:
    state = made(threads, changes)
    for number in range(len(threads)):
        mine = terms(f"claim-{number}")
        state.ask(ClaimExtractionOf(thread_id=thread_id(number), scope=Scope(kind="tag", key="x"), terms=mine))

    assert not state.rows(
        "SELECT id FROM threads t WHERE is_file_gone <> EXISTS (SELECT 1 FROM rollout_files f"
        " WHERE f.path = t.rollout_path AND f.status = 'vanished')"
    )
    assert not state.rows(
        "SELECT j.thread_id FROM extraction_jobs j JOIN threads t ON t.id = j.thread_id WHERE j.eligible_source IS NOT"
        " CASE WHEN t.archived_at_ms IS NULL AND t.memory_mode = 'enabled' THEN t.source END"
    )
    state.close()


@given(
    threads=THREADS,
    changes=CHANGES,
    sort=st.sampled_from(ThreadSort),
    direction=st.sampled_from(ThreadDirection),
    archived=st.booleans(),
    sources=draw_some(SOURCES),
    providers=draw_some(PROVIDERS),
    cwds=draw_some(FOLDERS),
    text=st.none() | st.sampled_from(("", "the", "Mend", "name", "nowhere")),
    anchor=st.none() | st.tuples(TIMES, st.integers(0, 7)),
    limit=st.integers(0, 4),
    few_at_once=st.booleans(),
)
def test_listing_is_what_looking_at_every_thread_gives(
    threads: list[dict[str, Any]],
    changes: list[tuple[str, int]],
    sort: ThreadSort,
    direction: ThreadDirection,
    archived: bool,
    sources: tuple[str, ...] | None,
    providers: tuple[str, ...] | None,
    cwds: tuple[str, ...] | None,
    text: str | None,
    anchor: tuple[int, int] | None,
    limit: int,
    few_at_once: bool,
) -> None:
    """`few_at_once`: as if there were more groups than one statement merges, and more titles than are tried first."""
    state = made(threads, changes)
    behind = None if anchor is None else ThreadAnchor(at_ms=anchor[0], id=thread_id(anchor[1]))
    column = {"created_at": "created_at_ms", "updated_at": "updated_at_ms", "recency_at": "recency_at_ms"}[sort.value]
    is_descending = direction is ThreadDirection.DESCENDING
    rows = state.rows(
        f"SELECT {column}, id, source, model_provider, cwd, title, coalesce(name, '') FROM threads t"
        " WHERE preview <> '' AND (archived_at_ms IS NOT NULL) = ? AND NOT EXISTS (SELECT 1 FROM rollout_files f"
        " WHERE f.path = t.rollout_path AND f.status = 'vanished')",
        archived,
    )
    expected = sorted(
        (
            (at_ms, one)
            for at_ms, one, source, provider, cwd, title, name in rows
            if (sources is None or source in sources)
            and (providers is None or provider in providers)
            and (cwds is None or cwd in cwds)
            and (not text or text in title or text in name)
            and (
                behind is None
                or (
                    (at_ms, one) < (behind.at_ms, behind.id)
                    if is_descending
                    else (at_ms, one) > (behind.at_ms, behind.id)
                )
            )
        ),
        reverse=is_descending,
    )
    wanted: dict[str, Any] = {
        "sort": sort,
        "direction": direction,
        "archived": archived,
        "sources": sources,
        "model_providers": providers,
        "cwds": cwds,
        "title_contains": text,
        "anchor": behind,
        "limit": limit,
    }

    with pytest.MonkeyPatch.context() as patched:
        for name in ("_TRIED_MAX", "_TRIED_IN_CWDS_MAX", "_BRANCHES_MAX") if few_at_once else ():
            patched.setattr(thread_listing, name, 2)
        page = state.ask(ListThreads(**wanted))

    assert [thread.id for thread in page.threads] == [one for _, one in expected[:limit]]
    assert page.rows_scanned == min(len(expected), limit + 1)
    assert (page.next_anchor is None) is (len(expected) <= limit or limit == 0)
    assert list(state.ask(ListThreadIds(**wanted))) == [one for _, one in expected[:limit]]
    state.close()


@given(st.text(alphabet='{}":,ab\n', max_size=12) | st.sampled_from(SOURCES))
def test_class_of_a_source_is_the_same_in_the_rules_and_in_the_table(source: str) -> None:
    state = MemoryState()
    index(state, facts(1, source=source))

    assert state.value("SELECT source_class FROM threads") == class_of(source)
    assert state.value(f"SELECT {sql_why_not_chosen('source')} FROM threads") == why_not_chosen(source)
    state.close()


JOBS = st.lists(
    st.tuples(
        st.sampled_from(("pending", "retry", "succeeded", "dead")),
        st.integers(-5, 5),  # content, before the idle age
        st.none() | st.integers(-5, 5),  # next attempt, after now
        st.integers(0, 4),  # attempts
    ),
    max_size=8,
)


@given(
    THREADS,
    CHANGES,
    JOBS,
    st.lists(st.sampled_from(("cli", "exec", "atlas", "", NESTED)), max_size=3),
    st.sampled_from((0, 3)),
    st.none() | st.integers(0, 6),
)
def test_next_job_and_next_due_time_are_what_looking_at_every_job_gives(
    threads: list[dict[str, Any]],
    changes: list[tuple[str, int]],
    jobs: list[tuple[str, int, int | None, int]],
    sources: list[str],
    idle_ms: int,
    age_ms_max: int | None,
) -> None:
    state = made(threads, changes)
    wall_ms = state.clock.wall_ms
    for number, (status, content, next_attempt, attempts) in enumerate(jobs):
        if status == "pending":
            next_attempt = None  # a job waits for its next attempt only in the other state
        elif status == "retry":
            next_attempt = next_attempt or 0
        state.rows(
            "UPDATE extraction_jobs SET status = ?, content_at_ms = ?, next_attempt_at_ms = ?, attempts = ?,"
            " claimed_revision = 1 WHERE thread_id = ?",
            status,
            wall_ms - idle_ms + content,
            None if next_attempt is None else wall_ms + next_attempt,
            attempts,
            thread_id(number),
        )
    eligibility = Eligibility(sources=tuple(sources), idle_ms=idle_ms, age_ms_max=age_ms_max)
    stored = {*sources, *(f'{{"custom":"{source}"}}' for source in sources)}
    waiting = [
        row
        for row in state.rows(
            "SELECT j.thread_id, j.status, j.content_at_ms, j.next_attempt_at_ms, t.source FROM extraction_jobs j"
            " JOIN threads t ON t.id = j.thread_id WHERE j.status IN ('pending', 'retry')"
            " AND t.archived_at_ms IS NULL AND t.memory_mode = 'enabled'"
        )
        if row[4] in stored
    ]
    ready = [
        (row[1] == "retry", -row[2], row[0])
        for row in waiting
        if row[2] <= wall_ms - idle_ms
        and (age_ms_max is None or row[2] >= wall_ms - age_ms_max)
        and (row[3] is None or row[3] <= wall_ms)
    ]
    due = [max(row[3] or 0, row[2] + idle_ms) for row in waiting]

    reply = state.ask(ClaimExtraction(terms=terms("asking"), eligibility=eligibility))

    if ready:
        assert isinstance(reply, ExtractionClaimed)
        first = min(ready)[:2]
        assert reply.thread_id == max(one for *key, one in ready if tuple(key) == first)
    else:
        later = [at_ms - wall_ms for at_ms in due if at_ms > wall_ms]
        assert reply == NothingToExtract(next_due_in_ms=min(later, default=None))
    state.close()


SCOPES = st.lists(
    st.fixed_dictionaries(
        {
            "kind": st.sampled_from(("cwd", "home", "tag")),
            "key": st.sampled_from(("", "/a", "/b")),
            "is_dirty": st.booleans(),
            "source_at_ms": st.none() | st.integers(0, 3),
            "next_attempt": st.none() | st.integers(-2, 3) | st.just(10**8),
            "finished": st.none() | st.integers(-4, 1),
            "reason": st.none() | st.just("the disk was full"),
            "lease": st.none() | st.integers(-2, 5),
            "fencing_number": st.sampled_from((1, 1, 1, 2**63 - 1)),
        }
    ),
    max_size=7,
)


@given(SCOPES, st.integers(0, 3))
def test_next_scope_and_next_due_time_are_what_judging_every_scope_gives(
    scopes: list[dict[str, Any]], cooldown_ms: int
) -> None:
    state = MemoryState()
    at = state.clock()
    for number, one in enumerate(scopes):
        scope = Scope(kind=one["kind"], key=one["key"])
        state.ask(MarkScopeDirty(scope=scope, dirty=one["is_dirty"]))
        held = one["lease"] is not None
        state.rows(
            "UPDATE scopes SET source_at_ms = ?, next_attempt_at_ms = ?, finished_at_ms = ?, reason = ?,"
            " fencing_number = ?, owner_process = ?, owner_worker = ?, ownership_token = ?, lease_boot_id = ?,"
            " lease_until_boot_ms = ?, renewed_boot_ms = ? WHERE scope_kind = ? AND scope_key = ?",
            one["source_at_ms"],
            None if one["next_attempt"] is None else at.wall_ms + one["next_attempt"],
            None if one["finished"] is None else at.wall_ms + one["finished"],
            one["reason"],
            one["fencing_number"],
            "process-2" if held else None,
            "worker" if held else None,
            f"token-{number}" if held else None,
            at.boot_id if held else None,
            at.boot_ms + one["lease"] if held else None,
            at.boot_ms if held else None,
            scope.kind,
            scope.key,
        )
    names = [
        part.split(".")[-1].strip() for part in SCOPE.removeprefix("SELECT ").removesuffix(" FROM scopes").split(",")
    ]
    rows = [
        ScopeRow(**dict(zip(names, row, strict=True)))
        for row in state.rows(
            f"{SCOPE} WHERE inputs_mark > consolidated_mark"
            " ORDER BY scope_kind = 'home', coalesce(source_at_ms, 0) DESC, scope_kind, scope_key"
        )
    ]
    refusals = {row.scope: why_not_now(row, at, cooldown_ms=cooldown_ms) for row in rows if row.can_be_fenced}

    reply = state.ask(ClaimConsolidation(terms=terms("asking"), cooldown_ms=cooldown_ms))

    granted = [scope for scope, refusal in refusals.items() if refusal is None]
    if granted:
        assert isinstance(reply, ConsolidationClaimed)
        assert reply.scope == granted[0]
    else:
        waits = [
            refusal.lease_left_ms if isinstance(refusal, ScopeHeld) else refusal.left_ms
            for refusal in refusals.values()
            if refusal is not None
        ]
        assert reply == NothingToConsolidate(next_due_in_ms=min(waits, default=None))
    state.close()


def test_the_home_is_named_in_the_index_as_in_the_rules() -> None:
    """The order of the claims is an index, so a text of the rules stands in a migration."""
    state = MemoryState()
    sql = state.value("SELECT sql FROM sqlite_schema WHERE name = 'scopes_dirty'")

    assert f"scope_kind = '{HOME_SCOPE.kind}'" in sql
    state.close()
