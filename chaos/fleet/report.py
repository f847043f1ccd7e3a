"""A run's report, for people and for programs."""

from typing import Any

import attrs

from chaos.figures import two_columns
from chaos.fleet.conduct import FleetReport


def as_table(report: FleetReport) -> str:
    """The report as lines for a terminal, with the one line that repeats the run."""
    settings = report.settings
    faults = ",".join(sorted(settings.faults))
    rows = [
        *((f"faults: {fault}", str(count)) for fault, count in report.injected.items()),
        ("sessions, lines written", f"{report.sessions:,}, {report.lines:,}"),
        ("starts of services, refused ones", f"{report.starts}, {report.refused_starts}"),
        ("extractions claimed, finished", f"{report.extractions_claimed:,}, {report.extractions_finished:,}"),
        ("generations published", f"{report.generations_published:,}"),
        ("claims that ended with their owner", str(report.steals)),
        ("late owners refused", str(report.refused_late)),
        ("dead letters", str(report.dead_letters)),
        ("ready after a start, p50 and p99", f"{report.percentile(0.5):.2f} s, {report.percentile(0.99):.2f} s"),
        ("all done after the last fault", f"{report.settle_seconds:.1f} s"),
        ("invariant violations", str(len(report.violations))),
    ]
    if "model" in report.injected:
        rows.insert(-1, ("requests to the model", f"{report.model_requests:,}"))
    lines = two_columns(rows)
    lines += [f"VIOLATION: {violation}" for violation in report.violations]
    lines.append(
        f"again: memoryd chaos --seed {settings.seed} --processes {settings.processes}"
        f" --duration {settings.duration_seconds:g} --faults {faults}"
    )
    return "\n".join(lines)


def as_json(report: FleetReport) -> dict[str, Any]:
    """The report as one JSON document."""
    plain = attrs.asdict(report)
    plain["settings"]["faults"] = sorted(report.settings.faults)
    plain["ready_seconds"] = {
        "p50": round(report.percentile(0.5), 3),
        "p99": round(report.percentile(0.99), 3),
        "starts": len(report.ready_seconds),
    }
    return plain
