"""`memoryd publish codex`: the memories into the Codex home's own memory folder, and out of it again."""

import sys
from collections.abc import Iterable
from typing import Annotated

from cyclopts import App, Parameter

from config import Settings
from interfaces.cli.options import CommonOptions
from interfaces.cli.output import print_json
from interfaces.logs import configure_logs
from interfaces.service import PublishReport, Service


def add_to(app: App, service: Service) -> None:
    """Add the commands."""
    publish = App(name="publish", help="Hand the memories to agents.")
    app.command(publish)

    @publish.command
    async def codex(
        *,
        dry_run: Annotated[bool, Parameter(help="only say what would be done")] = False,
        undo: Annotated[bool, Parameter(help="take away what memoryd wrote")] = False,
        common: CommonOptions | None = None,
    ) -> int:
        """Write the memories into the Codex home's memory folder, where its next session reads them.

        Files that memoryd did not write, or that were changed since, are left alone and named.
        """
        common = common or CommonOptions()
        paths = common.paths()
        settings = common.settings(paths)
        configure_logs(settings.logs, redact=service.redact)
        report = await service.publish(paths, dry_run=dry_run, undo=undo)
        if common.json:
            print_json(report)
        else:
            _print(report, settings)
        return 0


def _print(report: PublishReport, settings: Settings) -> None:
    would = "would be " if report.dry_run else ""
    lines = [f"codex home  {report.codex_home}"]
    for what, paths in (("written", report.written), ("put back", report.restored), ("removed", report.removed)):
        lines += _listed(f"{would}{what}", paths)
    if report.unchanged:
        lines.append(f"unchanged: {report.unchanged}")
    lines += _listed("left alone", (f"{one.path}: {one.reason}; {one.hint}" for one in report.kept))
    if not (report.written or report.restored or report.removed or report.unchanged or report.kept):
        lines.append("nothing of memoryd's is there" if report.undone else "nothing to publish")
    lines += [f"note: {note}" for note in (*report.notes, *_what_next(report, settings))]
    sys.stdout.write("\n".join(lines) + "\n")


def _listed(title: str, items: Iterable[str]) -> list[str]:
    items = list(items)
    return [f"{title}: {len(items)}", *(f"  {item}" for item in items)] if items else []


def _what_next(report: PublishReport, settings: Settings) -> list[str]:
    if report.undone and settings.publish.codex:
        return ["publish.codex is true, so the next run publishes again; set it to false to keep the home as it is"]
    if not report.undone and not settings.publish.codex:
        return ["this is not kept up to date unless publish.codex = true in the configuration"]
    return []
