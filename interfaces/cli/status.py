"""`memoryd status`: how complete the index is, what waits and why, who works, and what went wrong."""

import os
import sys
import time
from typing import Any

import attrs
from cyclopts import App

from config import Paths, Settings
from interfaces.cli.options import CommonOptions
from interfaces.cli.output import ago, one_line, print_json, tokens
from interfaces.cli.reading import reading
from interfaces.service import PublishedState, Service
from state.folder import StateFolder, dead_process_lock
from state.messages.backfill import GetBackfillState, ListTroubledRollouts
from state.messages.consolidation import GetConsolidationTotals
from state.messages.extraction import Eligibility, GetExtractionTotals, TokenUsage
from state.messages.service import ListProcesses, ListWorkers
from state.store import StateHandle


def add_to(app: App, service: Service) -> None:
    """Add the command."""

    @app.command
    async def status(*, common: CommonOptions | None = None) -> int:
        """Show how complete the index is, what waits and why, who works, and what went wrong."""
        common = common or CommonOptions()
        paths = common.paths()
        settings = common.settings(paths)
        async with reading(paths) as handle:
            report = await _collect(handle, paths, settings)
        report["publishing"] = _publishing(service.published(paths), settings)
        if common.json:
            print_json(report)
        else:
            _print(report)
        return 0


async def _collect(handle: StateHandle | None, paths: Paths, settings: Settings) -> dict[str, Any]:
    report: dict[str, Any] = {
        "codex_home": str(paths.codex_home),
        "codex_home_exists": paths.codex_home.is_dir(),
        "state_dir": str(paths.state_dir),
        "memories_dir": str(paths.memories_dir),
        "indexed": handle is not None,
    }
    if handle is None:
        return report
    backfill = await handle.ask(GetBackfillState())
    extraction = await handle.ask(GetExtractionTotals(eligibility=Eligibility.from_settings(settings.extraction)))
    report["backfill"] = {
        "complete": backfill.complete,
        "files": sum(backfill.files_by_status.values()),
        "files_by_status": backfill.files_by_status,
        "listed_at_ms": backfill.listed_at_ms,
        "running": backfill.owner is not None,
    }
    report["extraction"] = attrs.asdict(extraction)
    report["consolidation"] = attrs.asdict(await handle.ask(GetConsolidationTotals()))
    workers = await handle.ask(ListWorkers())
    report["processes"] = [
        {
            "pid": process.pid,
            "started_at_ms": process.started_at_ms,
            "alive": not _is_dead(paths, process.process),
            "workers": [
                {"worker": one.worker, "state": one.state.value, "crashes": one.crashes, "reason": one.reason}
                for one in workers
                if one.process == process.process
            ],
        }
        for process in await handle.ask(ListProcesses())
    ]
    report["troubled_rollouts"] = [
        {**attrs.asdict(file), "status": file.status.value} for file in await handle.ask(ListTroubledRollouts())
    ]
    quarantine = StateFolder(path=paths.state_dir).quarantine_dir
    try:
        report["quarantined"] = sorted(os.listdir(quarantine)) if quarantine.is_dir() else []
    except OSError:
        report["quarantined"] = []  # `memoryd doctor` says that it cannot be read
    return report


def _publishing(state: PublishedState | None, settings: Settings) -> dict[str, Any] | None:
    if state is None and not settings.publish.codex:
        return None
    return {"codex": settings.publish.codex, **attrs.asdict(state or PublishedState())}


def _print_publishing(publishing: dict[str, Any] | None, now_ms: int) -> list[str]:
    if publishing is None:
        return []
    where = f"{publishing['files']} files in {publishing['folder']}/" if publishing["folder"] else "nothing yet"
    when = f", changed {ago(publishing['published_at_ms'], now_ms)}" if publishing["published_at_ms"] else ""
    kept_up = "" if publishing["codex"] else ", not kept up to date (publish.codex is false)"
    lines = [f"publishing     {where}{when}{kept_up}"]
    if publishing["problem"]:
        lines.append(f"               failed: {publishing['problem']}")
    return lines + [
        f"               left alone: {kept['path']}: {kept['reason']}; {kept['hint']}" for kept in publishing["kept"]
    ]


def _is_dead(paths: Paths, process: Any) -> bool:
    with dead_process_lock(StateFolder(path=paths.state_dir), process) as is_dead:
        return is_dead


def _print(report: dict[str, Any]) -> None:
    now_ms = int(time.time() * 1000)
    out = [f"codex home     {report['codex_home']}{'' if report['codex_home_exists'] else '  (does not exist)'}"]
    out.append(f"state          {report['state_dir']}")
    out.append(f"memories       {report['memories_dir']}")
    if not report["indexed"]:
        out.append("index          nothing indexed yet: run `memoryd once`")
        sys.stdout.write("\n".join(out) + "\n")
        return
    backfill = report["backfill"]
    counts = ", ".join(f"{count} {status}" for status, count in sorted(backfill["files_by_status"].items()))
    state = "complete" if backfill["complete"] else "running" if backfill["running"] else "not complete"
    looked = f"looked {ago(backfill['listed_at_ms'], now_ms)}" if backfill["listed_at_ms"] else "never looked whole"
    out.append(f"index          {state}, {looked}: {counts or 'no rollouts'}")
    extraction = report["extraction"]
    jobs = ", ".join(f"{count} {status}" for status, count in sorted(extraction["jobs_by_status"].items()))
    out.append(f"extraction     {jobs or 'no sessions with content'}")
    out += [
        f"               {count} waiting: {reason}" for reason, count in sorted(extraction["waiting_by_reason"].items())
    ]
    spent = TokenUsage(**extraction["tokens"])
    if spent.model_calls:
        out.append(f"tokens         {tokens(spent)}")
    totals = report["consolidation"]
    out.append(
        f"consolidation  {totals['scopes']} projects: {totals['published']} published, {totals['dirty']} to do,"
        f" {totals['failing']} failing"
    )
    out += _print_publishing(report["publishing"], now_ms)
    for process in report["processes"]:
        life = "" if process["alive"] else "  (dead; its work is taken over by the next process)"
        out.append(f"process        {process['pid']}, started {ago(process['started_at_ms'], now_ms)}{life}")
        out += [
            f"               {one['worker']}: {'' if process['alive'] else 'was '}{one['state']}"
            + (f", {one['crashes']} crashes, last: {one['reason']}" if one["crashes"] else "")
            + (f"; {one['reason']}" if one["reason"] and not one["crashes"] else "")
            for one in process["workers"]
        ]
    if report["troubled_rollouts"]:
        out.append("files to look at, newest first:")
    for file in report["troubled_rollouts"]:
        again = f", tried again {ago(file['next_attempt_at_ms'], now_ms)}" if file["next_attempt_at_ms"] else ""
        out.append(f"  {file['status']}: {one_line(file['path'])}: {one_line(file['reason'])}{again}")
    if report["quarantined"]:
        out.append(f"damaged databases set aside: {len(report['quarantined'])} in {report['state_dir']}/quarantine")
    sys.stdout.write("\n".join(out) + "\n")
