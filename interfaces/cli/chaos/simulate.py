"""`memoryd chaos simulate`: the whole service in one process, under a simulated clock; one seed is one run."""

import contextlib
import os
import random
import shutil
import sys
import tempfile
from typing import Annotated, Any

from cyclopts import App, Parameter

from interfaces.cli.chaos.place import asks_for_json
from interfaces.cli.errors import EXIT_FAILED, EXIT_OK, UsageError
from interfaces.cli.options import CommonOptions
from interfaces.cli.output import print_json
from interfaces.cli.progress import progress_view

SEEDS = 40
"""So many by default: some twenty seconds."""

STORY_LINES = 60


def add_to(app: App) -> None:
    """Add the command."""

    @app.command
    def simulate(
        *,
        seed: Annotated[int | None, Parameter(help="the first seed [default: any]")] = None,
        seeds: Annotated[int, Parameter(help="how many seeds, one after the other")] = SEEDS,
        services: Annotated[int, Parameter(help="services on one database")] = 2,
        hours: Annotated[float | None, Parameter(help="simulated hours of trouble in each seed")] = None,
        only_faults: Annotated[
            str | None, Parameter(help="inflict only these of a seed's faults, e.g. 2,5; or none")
        ] = None,
        bug: Annotated[str | None, Parameter(help="plant a known defect, to see it found; `list` names them")] = None,
        jobs: Annotated[int | None, Parameter(help="processes that share the seeds [default: one a core]")] = None,
        common: CommonOptions | None = None,
    ) -> int:
        """Kill, freeze, starve and rob simulated services, hold the laws against them, and say how to repeat it.

        One seed is one run, the same each time. Ends with 1 when a law was broken.
        """
        as_json = asks_for_json(common)
        if seeds < 1 or not 1 <= services <= 8 or (hours is not None and not 0 < hours <= 24):
            raise UsageError("--seeds is at least 1, --services 1 to 8, --hours above 0 and at most 24")
        # Imported here: nobody else waits for it.
        from chaos.bugs import Bug
        from chaos.simulator.campaign import run_campaign
        from chaos.simulator.processes import jobs_by_default
        from chaos.simulator.run import Scenario
        from chaos.traces import leaving_none

        if bug == "list":
            sys.stdout.write("".join(f"{one}\n" for one in Bug))
            return EXIT_OK
        if bug is not None and bug not in set(Bug):
            raise UsageError(f"there is no defect named {bug}", hint=f"there are {', '.join(Bug)}")
        first = random.SystemRandom().randrange(1_000_000) if seed is None else seed
        done = 0

        with leaving_none(_give_back_disks), progress_view() as progress:

            def on_seed(_verdict: Any) -> None:
                nonlocal done
                done += 1
                progress.report("seeds", done, seeds)

            def on_shrink(faults: int) -> None:
                progress.report("shortening", faults, None)

            report = run_campaign(
                first,
                seeds,
                services=services,
                hours=Scenario(seed=0).seconds / 3600 if hours is None else hours,
                bug=None if bug is None else Bug(bug),
                kept=_numbers(only_faults),
                jobs=jobs_by_default(seeds) if jobs is None else max(jobs, 1),
                on_seed=on_seed,
                on_shrink=on_shrink,
            )
        if as_json:
            print_json(_document(report))
        else:
            _print(report)
        return EXIT_OK if report.passed else EXIT_FAILED


def _give_back_disks() -> None:
    """Remove the folders of simulations that nobody is in any more, or this process alone."""
    from chaos.simulator.run import MEMORY_DISK
    from state.folder import try_lock

    ours = {os.path.realpath(f"/proc/self/fd/{name}") for name in _names_in("/proc/self/fd")}
    for base in (os.fspath(MEMORY_DISK), tempfile.gettempdir()):
        for name in _names_in(base):
            root = os.path.join(base, name)
            if not name.startswith(f"memoryd-simulation-{os.geteuid()}-"):
                continue
            with contextlib.suppress(OSError):
                descriptor = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
                if root in ours or try_lock(descriptor, exclusive=True):
                    shutil.rmtree(root, ignore_errors=True)


def _names_in(folder: str) -> list[str]:
    try:
        return os.listdir(folder)
    except OSError:
        return []


def _numbers(text: str | None) -> tuple[int, ...] | None:
    if text is None:
        return None
    if text == "none":
        return ()
    try:
        return tuple(sorted({int(word) for word in text.split(",")}))
    except ValueError:
        raise UsageError(f"--only-faults takes numbers, not {text!r}", hint="e.g. --only-faults 2,5") from None


def _rates(report: Any) -> dict[str, float]:
    """How fast it went. Idle seconds, which the clock jumps over, are no coverage and are not in active hours."""
    return {
        "seeds_per_second": round(report.per_second(report.seeds), 2),
        "steps_under_faults_per_second": round(report.per_second(report.steps_under_faults)),
        "simulated_service_hours_per_minute": round(report.per_second(report.simulated_hours) * 60, 1),
        "active_service_hours_per_minute": round(report.per_second(report.active_hours) * 60, 1),
    }


def _document(report: Any) -> dict[str, Any]:
    failure = report.failure
    return {
        "passed": report.passed,
        "first_seed": report.first_seed,
        "seeds": report.seeds,
        "services": report.services,
        "hours": report.hours,
        "seconds": round(report.seconds, 3),
        "rates": _rates(report),
        "steps": report.steps,
        "steps_under_faults": report.steps_under_faults,
        "commits_judged": report.commits_judged,
        "settled_seconds_max": report.settled_seconds_max,
        "met": report.goals,
        "never_met": report.never_met,
        "failure": None
        if failure is None
        else {
            "seed": failure.seed,
            "law": failure.broken.law,
            "found": failure.broken.found,
            "at_ms": failure.broken.at_ms,
            "faults": [{"number": number, "fault": str(fault)} for number, fault in failure.faults],
            "faults_drawn": failure.drawn,
            "story": [str(event) for event in failure.story],
            "replay": failure.replay,
        },
    }


def _print(report: Any) -> None:
    rates = _rates(report)
    last = report.first_seed + report.seeds - 1
    lines = [
        f"seeds {report.first_seed} to {last}: {report.services} services, {report.hours * 60:.0f} simulated minutes of"
        f" trouble each, in {report.seconds:.1f} s",
        f"  {rates['seeds_per_second']} seeds/s, {rates['steps_under_faults_per_second']:,.0f} steps/s under faults,"
        f" {rates['simulated_service_hours_per_minute']} simulated service-hours a minute"
        f" ({rates['active_service_hours_per_minute']} without idle seconds)",
        f"  {report.commits_judged:,} commits and deaths judged; the longest time to settle was"
        f" {report.settled_seconds_max:.0f} s",
        "",
        "met:",
    ]
    lines += [f"  {number:>7,}  {goal}" for goal, number in sorted(report.goals.items(), key=lambda item: -item[1])]
    if report.never_met:
        lines += ["never met, so nothing is known of it:", *(f"           {goal}" for goal in report.never_met)]
    failure = report.failure
    if failure is None:
        lines += ["", "every law held."]
    else:
        lines += ["", f"what happened last in seed {failure.seed}:"]
        lines += [f"  {event}" for event in failure.story[-STORY_LINES:]]
        lines += ["", f"faults that are enough for it, {len(failure.faults)} of {failure.drawn}:"]
        lines += [f"  {number:>3}. {fault}" for number, fault in failure.faults] or ["  none"]
        lines += [
            "",
            f"BROKEN at {failure.broken.at_ms / 1000:.3f} s: {failure.broken.law}",
            f"  {failure.broken.found}",
            f"again: {failure.replay}",
        ]
    sys.stdout.write("\n".join(lines) + "\n")
