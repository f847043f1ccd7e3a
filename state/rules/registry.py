"""Which rule answers which request.

A rule is plain: a transaction, a request and an instant come in, the reply goes out. It knows no engine, no clock,
no randomness and no event loop. Its SQL stands next to it.

Here are names only: a request's rule is imported when the request is asked for the first time (state.rules.late).
"""

from state.rules.late import LateRules, Module, Rule

__all__ = ["LOG_RULES", "RULES", "Rule"]

backfill = Module("state.messages.backfill")
consolidation = Module("state.messages.consolidation")
drift = Module("state.messages.drift")
extraction = Module("state.messages.extraction")
extraction_batches = Module("state.messages.extraction_batches")
extraction_claims = Module("state.messages.extraction_claims")
job_control = Module("state.messages.job_control")
jobs = Module("state.messages.jobs")
logs = Module("state.messages.logs")
memories = Module("state.messages.memories")
memory_rows = Module("state.messages.memory_rows")
retention = Module("state.messages.retention")
service = Module("state.messages.service")
stored_threads = Module("state.messages.stored_threads")
thread_edits = Module("state.messages.thread_edits")
thread_family = Module("state.messages.thread_family")
thread_places = Module("state.messages.thread_places")
thread_rows = Module("state.messages.thread_rows")
thread_tools = Module("state.messages.thread_tools")
threads = Module("state.messages.threads")

applying_rules = Module("state.rules.applying")
backfill_rules = Module("state.rules.backfill")
consolidation_rules = Module("state.rules.consolidation")
consolidation_claim_rules = Module("state.rules.consolidation_claims")
dead_process_rules = Module("state.rules.dead_processes")
drift_rules = Module("state.rules.drift")
extraction_rules = Module("state.rules.extraction")
extraction_batch_rules = Module("state.rules.extraction_batches")
extraction_claim_rules = Module("state.rules.extraction_claims")
extraction_total_rules = Module("state.rules.extraction_totals")
job_control_rules = Module("state.rules.job_control")
job_rules = Module("state.rules.jobs")
log_rules = Module("state.rules.logs")
memory_rules = Module("state.rules.memories")
memory_row_rules = Module("state.rules.memory_rows")
recording_batch_rules = Module("state.rules.recording_batches")
retention_rules = Module("state.rules.retention")
service_rules = Module("state.rules.service")
stored_thread_rules = Module("state.rules.stored_threads")
thread_edit_rules = Module("state.rules.thread_edits")
thread_family_rules = Module("state.rules.thread_family")
thread_name_rules = Module("state.rules.thread_names")
thread_place_rules = Module("state.rules.thread_places")
thread_row_rules = Module("state.rules.thread_rows")
thread_tool_rules = Module("state.rules.thread_tools")
thread_rules = Module("state.rules.threads")

_STATE = {
    backfill.ClaimBackfill: backfill_rules.claim_backfill,
    backfill.CompareThreadNames: thread_name_rules.compare_thread_names,
    backfill.FindKnownRollouts: backfill_rules.find_known_rollouts,
    backfill.FinishBackfill: backfill_rules.finish_backfill,
    backfill.GetBackfillState: backfill_rules.get_backfill_state,
    backfill.ListKnownRollouts: backfill_rules.list_known_rollouts,
    backfill.ListPendingRollouts: backfill_rules.list_pending_rollouts,
    backfill.ListTroubledRollouts: backfill_rules.list_troubled_rollouts,
    backfill.LoadCheckpoints: backfill_rules.load_checkpoints,
    backfill.MarkRolloutsVanished: backfill_rules.mark_rollouts_vanished,
    backfill.RecordRollouts: recording_batch_rules.record_rollouts,
    backfill.RecordThreadNames: thread_name_rules.record_thread_names,
    backfill.RegisterRollouts: backfill_rules.register_rollouts,
    backfill.RenewBackfill: backfill_rules.renew_backfill,
    consolidation.ClaimConsolidation: consolidation_claim_rules.claim_consolidation,
    consolidation.ClaimScope: consolidation_claim_rules.claim_scope,
    consolidation.FailConsolidation: consolidation_rules.fail_consolidation,
    consolidation.GetConsolidationTotals: consolidation_rules.get_consolidation_totals,
    consolidation.GetHomeGeneration: consolidation_rules.get_home_generation,
    consolidation.ListPublishedScopes: consolidation_rules.list_published_scopes,
    consolidation.LoadScopeMemories: consolidation_rules.load_scope_memories,
    consolidation.MarkScopeDirty: consolidation_claim_rules.mark_scope,
    consolidation.PointCurrent: consolidation_rules.point_current,
    consolidation.PublishConsolidation: consolidation_rules.publish_consolidation,
    consolidation.ReleaseConsolidation: consolidation_claim_rules.release_consolidation,
    consolidation.RenewConsolidation: consolidation_claim_rules.renew_consolidation,
    consolidation.ReportGenerationLost: consolidation_rules.report_generation_lost,
    drift.CompareReadings: drift_rules.compare_readings,
    drift.FindIndexDrift: drift_rules.find_index_drift,
    drift.ListDamagedLeases: drift_rules.list_damaged_leases,
    drift.ListGenerations: drift_rules.list_generations,
    drift.ListHeldLeases: drift_rules.list_held_leases,
    drift.ListThreadRows: drift_rules.list_thread_rows,
    drift.LookUpRollouts: drift_rules.look_up_rollouts,
    drift.RecordLostFiles: drift_rules.record_lost_files,
    drift.RereadRollouts: drift_rules.reread_rollouts,
    extraction.ClaimExtraction: extraction_claim_rules.claim_extraction,
    extraction.FailExtraction: extraction_rules.fail_extraction,
    extraction.FinishExtraction: extraction_rules.finish_extraction,
    extraction.GetExtractionTotals: extraction_total_rules.get_extraction_totals,
    extraction.ReleaseExtraction: extraction_rules.release_extraction,
    extraction.RenewExtraction: extraction_rules.renew_extraction,
    extraction.ReopenForExtractor: extraction_rules.reopen_for_extractor,
    extraction_batches.ClaimExtractions: extraction_batch_rules.claim_extractions,
    extraction_batches.FinishAndClaimExtractions: extraction_batch_rules.finish_and_claim_extractions,
    extraction_batches.FinishExtractions: extraction_batch_rules.finish_extractions,
    extraction_claims.ClaimExtractionOf: extraction_claim_rules.claim_extraction_of,
    job_control.ReleaseJob: job_control_rules.release_job,
    job_control.RetryJob: job_control_rules.retry_job,
    job_control.StealJob: job_control_rules.steal_job,
    jobs.GetBackOffs: job_rules.get_back_offs,
    jobs.GetJob: job_rules.get_job,
    jobs.ListJobs: job_rules.list_jobs,
    memories.GetMemories: memory_rules.get_memories,
    memories.ListMemories: memory_rules.list_memories,
    memory_rows.GetNewestMemory: memory_row_rules.get_newest_memory,
    memory_rows.LastMemories: memory_row_rules.last_memories,
    memory_rows.SaveMemory: memory_row_rules.save_memory,
    memory_rows.SaveMemoryUnderClaim: memory_row_rules.save_memory_under_claim,
    retention.DeleteThreadMemory: retention_rules.delete_thread_memory,
    retention.MarkPolluted: retention_rules.mark_polluted,
    retention.PruneMemories: retention_rules.prune_memories,
    retention.RecordUsage: retention_rules.record_usage,
    service.ExplainWorker: service_rules.explain_worker,
    service.ListProcesses: service_rules.list_processes,
    service.ListWorkers: service_rules.list_workers,
    service.RegisterProcess: service_rules.register_process,
    service.ReportWorker: service_rules.report_worker,
    service.ReturnLeases: dead_process_rules.return_leases,
    stored_threads.EditStoredThread: stored_thread_rules.edit_stored_thread,
    stored_threads.GetStoredThread: stored_thread_rules.get_stored_thread,
    thread_edits.PatchThreadGit: thread_edit_rules.patch_thread_git,
    thread_edits.SetThreadMemoryMode: thread_edit_rules.set_thread_memory_mode,
    thread_edits.SetThreadName: thread_edit_rules.set_thread_name,
    thread_edits.SetThreadTitle: thread_edit_rules.set_thread_title,
    thread_family.FindThreadFamily: thread_family_rules.find_thread_family,
    thread_places.FindRolloutPath: thread_place_rules.find_rollout_path,
    thread_places.MarkThreadArchived: thread_place_rules.mark_thread_archived,
    thread_places.MarkThreadUnarchived: thread_place_rules.mark_thread_unarchived,
    thread_places.RepairRolloutPath: thread_place_rules.repair_rollout_path,
    thread_rows.ApplyRolloutItems: applying_rules.apply_rollout_items,
    thread_rows.DeleteThread: thread_row_rules.delete_thread,
    thread_rows.ForgetThread: thread_row_rules.forget_thread,
    thread_rows.InsertThreadIfAbsent: thread_row_rules.insert_thread_if_absent,
    thread_rows.TouchThread: thread_row_rules.touch_thread,
    thread_rows.UpsertThread: thread_row_rules.upsert_thread,
    thread_tools.GetDynamicTools: thread_tool_rules.get_dynamic_tools,
    thread_tools.SetDynamicTools: thread_tool_rules.set_dynamic_tools,
    threads.GetThread: thread_rules.get_thread,
    threads.ListThreadIds: thread_rules.list_thread_ids,
    threads.ListThreads: thread_rules.list_threads,
}

RULES = LateRules(_STATE)
"""Every request has exactly one rule; tests/test_architecture.py proves that none is left out."""

_LOGS = {
    logs.DeleteLogsBefore: log_rules.delete_logs_before,
    logs.GetMaxLogId: log_rules.get_max_log_id,
    logs.InsertLogs: log_rules.insert_logs,
    logs.QueryLogs: log_rules.query_logs,
}

LOG_RULES = LateRules(_LOGS)
"""What the log database is asked; the same law holds. No request is in both."""
