"""One or more of every request, in an order in which each reaches what it has to do, on an invented long history."""

import itertools
from collections.abc import Sequence
from typing import Any

from benchmarks.long_history import NOW_MS, RARE_CWD, RARE_SOURCE, RARE_WORD, SMALL_PROJECT
from state.ids import OwnershipToken, ProcessUuid, Scope, ThreadId
from state.messages import (
    backfill,
    consolidation,
    drift,
    extraction,
    extraction_batches,
    extraction_claims,
    job_control,
    jobs,
    logs,
    memories,
    memory_rows,
    retention,
    service,
    stored_threads,
    thread_edits,
    thread_family,
    thread_places,
    thread_rows,
    thread_tools,
    threads,
)
from state.messages.base import Request
from state.rollouts.model import DynamicTool, UnreadablePath
from tests.fakes.memory_state import terms
from tests.fakes.readings import facts, found, path_of, read, thread_id

MANY, MORE = (tuple(OwnershipToken(f"{name}-{number}") for number in (1, 2)) for name in ("many", "more"))
SCAN, JOB, SCOPE = (OwnershipToken(f"{name}-token") for name in ("scan", "job", "scope"))
EVERYTHING = extraction.Eligibility(sources=("cli", "vscode", "atlas"), idle_ms=0, age_ms_max=10**12)
EXTRACTOR = extraction.ExtractorId(name="builtin", version=4)
NOTE = extraction.MemoryNote(kind="fact", topic="tests", text="they are run with make", line=3, at_ms=None)
DRAFT = extraction.MemoryDraft(raw_memory="raw", rollout_summary="summary", rollout_slug=None, notes=(NOTE,))
PROJECT = Scope(kind="cwd", key=SMALL_PROJECT)
NEW = thread_id(1)
PROCESS = ProcessUuid("process-1")


def _listings() -> list[Request[Any]]:
    """Every combination of filters, with and without an anchor."""
    found_all: list[Request[Any]] = []
    anchor = threads.ThreadAnchor(at_ms=NOW_MS - 10_000_000, id=NEW)
    for sort, direction, archived, sources, providers, cwds, text, behind in itertools.product(
        threads.ThreadSort,
        threads.ThreadDirection,
        (False, True),
        (None, ("cli", RARE_SOURCE), ('{"subagent":{"thread_spawn":{"parent_thread_id":"000000000001","depth":1}}}',)),
        (None, ("openai",)),
        (None, (RARE_CWD, SMALL_PROJECT)),
        (None, RARE_WORD),
        (None, anchor),
    ):
        found_all.append(
            threads.ListThreadIds(
                sort=sort,
                direction=direction,
                archived=archived,
                sources=sources,
                model_providers=providers,
                cwds=cwds,
                title_contains=text,
                anchor=behind,
            )
        )
    return found_all


def end(token: OwnershipToken) -> extraction.FinishExtraction:
    """The job under this token has nothing in it."""
    return extraction.FinishExtraction(token=token, input_digest="digest", extractor=EXTRACTOR, draft=None)


def of_the_state(known: ThreadId) -> Sequence[Request[Any]]:
    """Every request of RULES. `known` is a thread of the history with a memory, in the project PROJECT."""
    at_work = terms(SCAN, process=PROCESS)
    file = found(path_of(1))
    mine = terms(JOB, process=PROCESS)
    scope_terms = terms(SCOPE, process=PROCESS)
    fields = thread_rows.ThreadFields(
        id=thread_id(2), rollout_path=path_of(2), created_at_ms=1, updated_at_ms=2, model_provider="openai"
    )
    usage = extraction.TokenUsage(input_tokens=1, cached_input_tokens=0, output_tokens=1, model_calls=1)
    job_id = f"extraction:{known}"
    project_id = f"consolidation:cwd:{SMALL_PROJECT}"
    anchor = memories.MemoryAnchor(updated_at_ms=NOW_MS, thread_id=known, scope=PROJECT)
    return [
        service.RegisterProcess(process=PROCESS, pid=1),
        service.ReportWorker(
            process=PROCESS, worker="extraction", state=service.WorkerState.RUNNING, crashes=0, reason=None
        ),
        service.ExplainWorker(process=PROCESS, worker="extraction", reason="waits"),
        service.ListProcesses(),
        service.ListWorkers(),
        # The scan, and what it records.
        backfill.ClaimBackfill(terms=at_work),
        backfill.RenewBackfill(token=SCAN, lease_ms=60_000),
        backfill.RegisterRollouts(
            token=SCAN, found=(file,), unreadable=(UnreadablePath(path="sessions/x", reason="torn"),)
        ),
        backfill.FindKnownRollouts(paths=(file.path,)),
        backfill.ListKnownRollouts(below="sessions"),
        backfill.ListKnownRollouts(),
        backfill.ListPendingRollouts(),
        backfill.LoadCheckpoints(paths=(file.path,)),
        backfill.RecordRollouts(
            token=SCAN,
            model_provider_default="openai",
            outcomes=(
                read(file, facts(1)),
                read(file, facts(1, cwd="/home/ann/other", memory_mode="disabled")),
                read(file, facts(1, cwd="/home/ann/other", is_all_copied=True, preview="")),
                read(file, facts(1, cwd="/home/ann/other", content_digest="digest-2")),
                read(found(path_of(3)), None),
                backfill.RolloutUnreadable(path=file.path, reason="torn"),
            ),
        ),
        backfill.RegisterRollouts(token=SCAN, found=tuple(found(path_of(number)) for number in (4, 5))),
        backfill.RecordRollouts(
            token=SCAN,
            model_provider_default="openai",
            outcomes=tuple(read(found(path_of(number)), facts(number)) for number in (4, 5)),
        ),
        thread_rows.ApplyRolloutItems(read=read(file, facts(1)), model_provider_default="openai"),
        backfill.RecordThreadNames(names={NEW: "a name", known: "another"}, named_at_ms={known: 5}),
        backfill.CompareThreadNames(names={NEW: "a third name"}),
        backfill.GetBackfillState(),
        backfill.ListTroubledRollouts(),
        drift.RecordLostFiles(token=SCAN, threads=(known,)),
        drift.RereadRollouts(token=SCAN, paths=(file.path,)),
        backfill.MarkRolloutsVanished(token=SCAN, paths=(path_of(3),)),
        backfill.FinishBackfill(token=SCAN, listed=True),
        # Threads.
        *_listings(),
        threads.ListThreads(limit=5),
        *(
            threads.ListThreadIds(
                limit=5, source_kinds=kinds, title_contains=text, excluded_ids=(known, NEW), model_providers=None
            )
            for kinds in (
                threads.INTERACTIVE_KINDS,
                frozenset({threads.SourceKind.SUB_AGENT}),
                frozenset({threads.SourceKind.SUB_AGENT_THREAD_SPAWN, threads.SourceKind.UNKNOWN}),
            )
            for text in (None, RARE_WORD)
        ),
        threads.ListThreadIds(limit=5, parent_thread_id=known),
        threads.ListThreadIds(limit=5, ancestor_thread_id=known, model_providers=("openai",), cwds=(RARE_CWD,)),
        threads.GetThread(thread_id=known),
        threads.GetThread(thread_id="0"),
        thread_rows.UpsertThread(fields=fields),
        thread_rows.UpsertThread(fields=fields),
        thread_rows.InsertThreadIfAbsent(fields=fields),
        thread_rows.TouchThread(thread_id=known, at_ms=NOW_MS),
        thread_tools.SetDynamicTools(
            thread_id=NEW, tools=(DynamicTool(name="tool", description="does", input_schema="{}"),)
        ),
        thread_tools.GetDynamicTools(thread_id=NEW),
        thread_edits.SetThreadTitle(thread_id=NEW, title="a title"),
        thread_edits.SetThreadName(thread_id=NEW, name=None),
        thread_edits.SetThreadMemoryMode(thread_id=NEW, mode=thread_edits.MemoryMode.DISABLED),
        thread_edits.SetThreadMemoryMode(thread_id=NEW, mode=thread_edits.MemoryMode.ENABLED),
        thread_edits.PatchThreadGit(thread_id=NEW, sha="abc"),
        stored_threads.GetStoredThread(thread_id=known),
        stored_threads.EditStoredThread(edit=thread_edits.PatchThreadGit(thread_id=known, sha="abc")),
        stored_threads.EditStoredThread(
            edit=thread_edits.SetThreadMemoryMode(thread_id=NEW, mode=thread_edits.MemoryMode.ENABLED)
        ),
        thread_places.FindRolloutPath(thread_id=known),
        thread_places.RepairRolloutPath(thread_id=known, path="sessions/elsewhere.jsonl", archived=False),
        thread_places.MarkThreadArchived(thread_id=known, path="archived_sessions/x", archived_at_ms=5, mtime_ms=None),
        thread_places.MarkThreadUnarchived(thread_id=known, path="sessions/x", mtime_ms=6),
        # Extraction.
        extraction.ReopenForExtractor(extractor=EXTRACTOR),
        extraction.GetExtractionTotals(eligibility=EVERYTHING),
        extraction.ClaimExtraction(terms=mine, eligibility=EVERYTHING, running_max=8),
        extraction.RenewExtraction(token=JOB, lease_ms=60_000),
        extraction.FinishExtraction(token=JOB, input_digest="digest", extractor=EXTRACTOR, draft=DRAFT, usage=usage),
        extraction.ClaimExtraction(terms=terms("two", process=PROCESS), eligibility=EVERYTHING),
        extraction.FinishExtraction(token=OwnershipToken("two"), input_digest="d", extractor=EXTRACTOR, draft=None),
        extraction.ClaimExtraction(terms=terms("three", process=PROCESS), eligibility=EVERYTHING),
        extraction.FailExtraction(
            token=OwnershipToken("three"),
            failure=extraction.FailureClass.TRANSIENT,
            reason="no answer",
            jitter_permille=5,
        ),
        extraction.ClaimExtraction(terms=terms("four", process=PROCESS), eligibility=EVERYTHING),
        extraction.ReleaseExtraction(token=OwnershipToken("four")),
        extraction.ClaimExtraction(
            terms=terms("none"), eligibility=extraction.Eligibility(sources=("nowhere",), idle_ms=0, age_ms_max=None)
        ),
        extraction_batches.ClaimExtractions(
            tokens=MANY, owner=mine.owner, lease_ms=60_000, eligibility=EVERYTHING, running_max=8
        ),
        extraction_batches.FinishAndClaimExtractions(
            finish=extraction_batches.FinishExtractions(finishes=(end(MANY[0]),)),
            claim=extraction_batches.ClaimExtractions(
                tokens=MORE, owner=mine.owner, lease_ms=60_000, eligibility=EVERYTHING
            ),
        ),
        extraction_batches.FinishExtractions(finishes=tuple(end(token) for token in (*MANY, *MORE))),
        extraction_claims.ClaimExtractionOf(
            thread_id=NEW, scope=Scope(kind="tag", key="x"), terms=terms("five", process=PROCESS), running_max=8
        ),
        memory_rows.SaveMemoryUnderClaim(
            token=OwnershipToken("five"),
            thread_id=NEW,
            scope=Scope(kind="tag", key="x"),
            extractor=EXTRACTOR,
            draft=DRAFT,
        ),
        memory_rows.SaveMemory(thread_id=known, extractor=EXTRACTOR, draft=DRAFT, scope=PROJECT),
        memory_rows.GetNewestMemory(thread_id=known),
        memory_rows.LastMemories(scope=PROJECT, count=3),
        memories.GetMemories(thread_id=known),
        memories.ListMemories(),
        memories.ListMemories(anchor=anchor),
        memories.ListMemories(scope=PROJECT, anchor=anchor),
        # Jobs, for people.
        *(
            jobs.ListJobs(kind=kind, status=status, after=after, eligibility=EVERYTHING)
            for kind, status, after in itertools.product(
                (None, *jobs.JobKind), (None, "dead", "pending"), ("", job_id, project_id)
            )
        ),
        *(jobs.GetJob(job_id=one, eligibility=EVERYTHING) for one in (job_id, "0", project_id, "consolidation:c")),
        jobs.GetBackOffs(),
        job_control.RetryJob(job_id=job_id),
        job_control.RetryJob(job_id=project_id),
        job_control.ReleaseJob(job_id=job_id),
        job_control.StealJob(job_id=job_id, fencing_number=1),
        # Consolidation.
        consolidation.MarkScopeDirty(scope=PROJECT, dirty=True),
        consolidation.ClaimConsolidation(terms=scope_terms, cooldown_ms=1_000),
        consolidation.RenewConsolidation(token=SCOPE, lease_ms=60_000),
        consolidation.LoadScopeMemories(scope=PROJECT, limit=9, unused_ms_max=None),
        consolidation.PublishConsolidation(
            token=SCOPE,
            generation_folder="scopes/x",
            digest="digest",
            source_at_ms=NOW_MS,
            memories=1,
            staged=True,
            selected=(consolidation.SelectedMemory(thread_id=known, source_at_ms=5),),
        ),
        consolidation.ClaimScope(terms=terms("scope-2", process=PROCESS), scope=PROJECT),
        job_control.StealJob(job_id=project_id, fencing_number=1),
        job_control.ReleaseJob(job_id=project_id),
        consolidation.FailConsolidation(token=OwnershipToken("scope-2"), reason="full", jitter_permille=5),
        consolidation.ClaimScope(terms=terms("scope-3", process=PROCESS), scope=Scope(kind="tag", key="x")),
        consolidation.ReleaseConsolidation(token=OwnershipToken("scope-3")),
        consolidation.MarkScopeDirty(scope=PROJECT, dirty=False),
        consolidation.ReportGenerationLost(scope=PROJECT, generation_folder="scopes/x"),
        consolidation.GetConsolidationTotals(),
        consolidation.GetHomeGeneration(),
        consolidation.ListPublishedScopes(),
        consolidation.PointCurrent(scope=PROJECT),
        # The doctor.
        drift.CompareReadings(readings=(read(file, facts(1)),), model_provider_default="openai"),
        drift.FindIndexDrift(),
        drift.ListDamagedLeases(),
        drift.ListGenerations(),
        drift.ListHeldLeases(),
        drift.ListThreadRows(after=known),
        drift.LookUpRollouts(paths=(file.path,), threads=(known,)),
        # What goes.
        retention.RecordUsage(thread_ids=(known,)),
        retention.PruneMemories(unused_ms=10**12),
        retention.MarkPolluted(thread_id=NEW),
        retention.DeleteThreadMemory(thread_id=known),
        thread_family.FindThreadFamily(thread_id=known),
        thread_rows.DeleteThread(thread_id=known),
        thread_rows.ForgetThread(thread_id=known),
        service.ReturnLeases(process=PROCESS),
    ]


def of_the_logs() -> Sequence[Request[Any]]:
    """Every request of LOG_RULES."""
    said = [
        logs.LogEntry(at_ns=number, level="INFO", target="t", message="m", thread_id=thread, process_uuid=process)
        for number, (thread, process) in enumerate(((NEW, "p"), (None, "p"), (None, None)))
    ]
    return [
        logs.InsertLogs(entries=tuple(said)),
        logs.GetMaxLogId(),
        logs.QueryLogs(limit=10, descending=True),
        logs.QueryLogs(filter=logs.LogFilter(after_id=1), limit=10),
        logs.QueryLogs(
            filter=logs.LogFilter(
                levels=("INFO",), from_ns=1, to_ns=9, modules=("m",), thread_ids=(NEW,), threadless=True, search="m"
            )
        ),
        logs.DeleteLogsBefore(at_ns=1),
    ]
