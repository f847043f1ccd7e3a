"""A run's report, for people and for programs."""

from typing import Any

import attrs

from chaos.figures import percentile, two_columns
from chaos.fleet.conduct import FleetReport


def as_table(report: FleetReport) -> str:
    """The report as lines for a terminal, with the one line that repeats the run."""
    settings = report.settings
    faults = ",".join(sorted(settings.faults))
    obeyed = ", ".join(f"{count} {name}" for name, count in report.commands_obeyed.items())
    recovery = ", ".join(f"{report.percentile(share):.2f} s" for share in (0.5, 0.99, 1.0))
    recovery += f" of {len(report.recovery_seconds)}"
    rows = [
        *((f"faults: {fault}", str(count)) for fault, count in report.injected.items()),
        ("sessions, lines written", f"{report.sessions:,}, {report.lines:,}"),
        ("starts of services, refused ones", f"{report.starts}, {report.refused_starts}"),
        ("jobs claimed, done", f"{report.extractions_claimed:,}, {report.extractions_finished:,}"),
        ("generations published", f"{report.generations_published:,}"),
        ("steals: claims that ended with their owner", str(report.steals)),
        ("late owners refused", str(report.refused_late)),
        (f"obeyed of {report.commands_given} commands of operators", obeyed),
        ("dead letters, deaths by poison", f"{report.dead_letters}, {report.deaths_by_poison}"),
        ("recovery after a kill, p50, p99, max", recovery),
        ("all done after the last fault", f"{report.settle_seconds:.1f} s"),
        ("operations judged", f"{report.operations_judged:,}"),
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
    for name, seconds in (("ready_seconds", report.ready_seconds), ("recovery_seconds", report.recovery_seconds)):
        plain[name] = {
            "p50": round(percentile(seconds, 0.5), 3),
            "p99": round(percentile(seconds, 0.99), 3),
            "max": round(percentile(seconds, 1.0), 3),
            "starts": len(seconds),
        }
    return plain
