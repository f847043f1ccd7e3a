"""`memoryd doctor`: what is wrong, and what puts it right."""

import os
import sys
from typing import Annotated

import attrs
from cyclopts import App, Parameter

from config import ConfigError, Paths, Settings, load
from interfaces.cli.errors import EXIT_FAILED, EXIT_OK
from interfaces.cli.options import CommonOptions
from interfaces.cli.output import one_line, print_json
from interfaces.cli.progress import progress_view
from interfaces.logs import configure_logs
from interfaces.service import DoctorReport, FindingReport, Service

SHOWN_OF_ONE_CODE_MAX = 5
"""So many findings of one kind are printed for a person; --json has them all."""


def add_to(app: App, service: Service) -> None:
    """Add the command."""

    @app.command
    async def doctor(
        *,
        repair: Annotated[bool, Parameter(negative="", help="put right what is memoryd's own")] = False,
        deep: Annotated[bool, Parameter(negative="", help="compare every file with its rows, not a sample")] = False,
        common: CommonOptions | None = None,
    ) -> int:
        """Compare files, index and Codex's own database, and look at the environment. Repairs only with --repair."""
        common = common or CommonOptions()
        paths = common.paths()
        settings, trouble = _settings(common, paths)
        # What a scan logs on its way is said by the findings afterwards.
        configure_logs(attrs.evolve(settings.logs, level="error"), redact=service.redact)
        with progress_view() as progress:
            report = await service.doctor(paths, settings, progress, trouble, deep, repair)
        if common.json:
            print_json(report)
        else:
            _print(report)
        return EXIT_OK if report.ok else EXIT_FAILED


def _settings(common: CommonOptions, paths: Paths) -> tuple[Settings, str | None]:
    """The settings; where file or environment are wrong the defaults, and what is wrong.

    Raises:
      ConfigError: a --set is wrong; that is the command line's fault.
    """
    try:
        load(paths.config_file if paths.config_exists else None, os.environ, ())
    except ConfigError as error:
        return load(None, {}, common.set), f"{error}; {error.hint}" if error.hint else str(error)
    return common.settings(paths), None


def _print(report: DoctorReport) -> None:
    out = [f"repaired: {action}" for action in report.actions]
    if report.repaired:
        out.append(f"repaired: {report.repaired} findings are gone")
    by_area: dict[str, dict[str, list[FindingReport]]] = {}
    for finding in report.findings:
        if finding.severity != "ok":
            by_area.setdefault(finding.area, {}).setdefault(finding.code, []).append(finding)
    for area, by_code in by_area.items():
        out.append(f"{area}:")
        for code, findings in by_code.items():
            out += _lines(findings, report.counts[code])
    looked = (
        f"{report.rollouts} rollouts, {report.indexed} of them indexed as they are, {report.folded} folded and"
        f" compared, {report.codex_threads} threads in Codex's database"
    )
    if report.ok:
        out.append(f"everything is in order: {looked}")
    else:
        wrong = sum(finding.severity in ("warning", "error") for finding in report.findings)
        can = sum(finding.can_repair and finding.severity != "note" for finding in report.findings)
        things = "1 thing is wrong" if wrong == 1 else f"{wrong} things are wrong"
        out.append(f"{things}, of which --repair puts right {can or 'none'}; looked at {looked}")
    sys.stdout.write("\n".join(out) + "\n")


def _lines(findings: list[FindingReport], count: int) -> list[str]:
    lines = []
    for finding in findings[:SHOWN_OF_ONE_CODE_MAX]:
        lines.append(f"  {finding.severity}: {one_line(finding.found)}")
        if finding.repair:
            lines.append(f"    repair: {one_line(finding.repair)}")
    if count > SHOWN_OF_ONE_CODE_MAX:
        lines.append(f"  and {count - SHOWN_OF_ONE_CODE_MAX} more of this kind (--json names them)")
    return lines
