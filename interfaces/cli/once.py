"""`memoryd once`: backfill, extract, consolidate, publish, exit."""

import sys
import time
from typing import Annotated, Literal

import attrs
from cyclopts import App, Parameter

from interfaces.cli.errors import EXIT_FAILED, EXIT_OK, CommandError
from interfaces.cli.options import CommonOptions
from interfaces.cli.output import ago, print_error, print_json, tokens
from interfaces.cli.progress import progress_view
from interfaces.logs import configure_logs
from interfaces.service import OnceReport, Service, WaitingReport

Phase = Literal["backfill", "extract", "consolidate"]
ALL_PHASES: frozenset[str] = frozenset({"backfill", "extract", "consolidate"})


def add_to(app: App, service: Service) -> None:
    """Add the command."""

    @app.command
    async def once(
        *,
        only: Annotated[tuple[Phase, ...], Parameter(help="do only this part; repeatable")] = (),
        model: Annotated[str | None, Parameter(help="which model extracts [default: extraction.model]")] = None,
        common: CommonOptions | None = None,
    ) -> int:
        """Index new rollouts, make memories of them, publish them, and exit."""
        common = common or CommonOptions()
        if model is not None:
            common = attrs.evolve(common, set=(*common.set, f"extraction.model={model}"))
        paths = common.paths()
        settings = common.settings(paths)
        configure_logs(
            settings.logs,
            redact=service.redact,
            queue=service.log_queue,
            stderr_level=_shown(settings.logs.level),
        )
        if not paths.codex_home.is_dir():
            sys.stderr.write(f"memoryd: the Codex home {paths.codex_home} does not exist\n")
        with progress_view() as progress:
            report = await service.once(paths, settings, progress, frozenset(only) or ALL_PHASES)
        stopped = report.extraction.stopped_because
        if common.json:
            print_json(report)
        else:
            _print(report)
        if stopped is not None:
            # The report is the answer, also of a run that could not extract; why it could not is said beside it.
            print_error(CommandError(stopped, hint=report.extraction.stopped_hint), as_json=False)
        failed = report.publishing is not None and report.publishing.problem is not None
        return EXIT_FAILED if failed or stopped is not None else EXIT_OK


def _shown(level: str) -> str:
    """A person who runs `once` wants the result, not the service's running commentary; `memoryd logs` has it."""
    return "warning" if level == "info" else level


def _print(report: OnceReport) -> None:
    backfill, extraction, consolidation = report.backfill, report.extraction, report.consolidation
    lines = [
        f"indexed       {backfill.indexed} of {backfill.files} rollouts"
        f" ({backfill.unchanged} unchanged, {backfill.skipped} skipped, {backfill.failed} failed)"
        f" in {backfill.seconds:.2f} s",
        f"extracted     {extraction.succeeded} memories from {extraction.claimed} sessions"
        f" ({extraction.empty} with nothing to remember, {extraction.retrying} to be tried again,"
        f" {extraction.failed} failed, {extraction.unchanged} unchanged)",
        f"consolidated  {consolidation.published} of {consolidation.scopes} projects published"
        f" ({consolidation.unchanged} unchanged, {consolidation.failed} failed)",
        f"memories      {report.memories_dir}",
    ]
    if extraction.tokens.model_calls:
        lines.insert(2, f"tokens        {tokens(extraction.tokens)}")
    if (publishing := report.publishing) is not None:
        lines.append(
            f"published     {publishing.written + publishing.restored} files into the Codex home"
            f" ({publishing.restored} of them put back, {publishing.removed} removed, {publishing.unchanged} unchanged,"
            f" {publishing.kept} left to you)"
            if publishing.problem is None
            else f"published     nothing: {publishing.problem}"
        )
    if report.waiting.next_attempt_at_ms is not None:
        lines.append(f"waiting       {_waiting(report.waiting)}")
    lines.append("`memoryd status` says which sessions wait or were left out, and why")
    sys.stdout.write("\n".join(lines) + "\n")


def _waiting(waiting: WaitingReport) -> str:
    """How many jobs back off, and until when."""
    parts = [
        f"{count} {word}{'' if count == 1 else 's'}"
        for count, word in ((waiting.extractions, "session"), (waiting.consolidations, "project"))
        if count
    ]
    first = ago(waiting.next_attempt_at_ms, int(time.time() * 1000))
    return f"{' and '.join(parts)} failed before, to be tried again; the first {first}"
