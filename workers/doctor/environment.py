"""The machine: its SQLite, its clocks, its limits on watching folders; and the configuration that was loaded."""

import os
import stat
import sys
from pathlib import Path

from config import ConfigError, Paths, Settings
from state.clock import machine_clock
from state.errors import StateFolderError
from state.integrity import sqlite_version
from workers.doctor.finding import Area, Findings, Severity
from workers.models.responses.key import api_key

WATCHES_SPARE = 1_000
"""Other programs of this user watch folders too: editors, file synchronisers."""

INOTIFY = Path("/proc/sys/fs/inotify")


def check_machine(findings: Findings) -> None:
    """SQLite and the clocks."""
    try:
        version = sqlite_version()
        findings.add(Area.ENVIRONMENT, "sqlite", Severity.OK, f"SQLite {version} has no known way to lose data")
    except StateFolderError as error:
        findings.add(Area.ENVIRONMENT, "sqlite", Severity.ERROR, str(error), repair=error.hint)
    try:
        first, second = machine_clock(), machine_clock()
    except OSError as error:
        findings.add(
            Area.ENVIRONMENT,
            "clock",
            Severity.ERROR,
            f"the machine's boot cannot be told: {error.strerror or error} ({error.filename})",
            repair="give this process the right to read it; leases are judged by it",
        )
        return
    if second.boot_ms < first.boot_ms or not first.boot_id or first.boot_id != second.boot_id:
        findings.add(
            Area.ENVIRONMENT,
            "clock",
            Severity.ERROR,
            "the machine's boot clock goes backwards",
            repair="restart the machine; until then leases cannot be trusted",
        )
    elif second.wall_ms < second.boot_ms:
        findings.add(
            Area.ENVIRONMENT,
            "clock",
            Severity.WARNING,
            "the wall clock says a time before the machine could have started",
            repair="set the clock; ages of sessions are judged by it",
        )
    else:
        findings.add(Area.ENVIRONMENT, "clock", Severity.OK, "the clocks go forward")


def check_watching(findings: Findings, folders: int, rescan_seconds: float, *, limits: Path = INOTIFY) -> None:
    """May this user watch so many folders? Only Linux has such a limit."""
    if not sys.platform.startswith("linux"):
        return
    watches, instances = (_number(limits / name) for name in ("max_user_watches", "max_user_instances"))
    looks = f"the service still looks every {rescan_seconds:g} seconds"
    if watches is not None and folders + WATCHES_SPARE > watches:
        findings.add(
            Area.ENVIRONMENT,
            "watches",
            Severity.NOTE,
            f"{folders} folders of rollouts are many for the {watches} that this user may watch; {looks}",
            repair=f"to hear of changes at once: sysctl fs.inotify.max_user_watches={2 * (folders + WATCHES_SPARE)}",
        )
    if instances is not None and instances < 16:
        findings.add(
            Area.ENVIRONMENT,
            "watches",
            Severity.NOTE,
            f"this user may have only {instances} watchers at a time; {looks}",
            repair="to hear of changes at once: sysctl fs.inotify.max_user_instances=128",
        )


def _number(path: Path) -> int | None:
    try:
        return int(path.read_text(encoding="ascii"))
    except (OSError, ValueError):
        return None


def check_configuration(findings: Findings, paths: Paths, settings: Settings, trouble: str | None) -> None:
    """Where the settings come from, what is wrong with them, and who may read the keys that they name."""
    where = str(paths.config_file)
    if trouble is not None:
        findings.add(
            Area.ENVIRONMENT,
            "configuration",
            Severity.ERROR,
            trouble,
            subject=where,
            repair="correct it; until then no command works, and the checks below use the defaults",
        )
    elif paths.config_exists:
        findings.add(Area.ENVIRONMENT, "configuration", Severity.OK, f"the configuration {where} is understood")
    else:
        findings.add(
            Area.ENVIRONMENT, "configuration", Severity.OK, f"the defaults are in force; there is no file {where}"
        )
    if paths.config_exists:
        _check_mode(findings, paths.config_file, 0o022, "others may change the configuration", "chmod go-w")
    if settings.responses.api_key_file:
        _check_key_file(findings, settings)


def _check_key_file(findings: Findings, settings: Settings) -> None:
    """Look at the key file as the model's provider does, whichever model is chosen now."""
    try:
        api_key(settings.responses, os.environ)
    except ConfigError as error:
        findings.add(
            Area.ENVIRONMENT,
            "key_file",
            Severity.ERROR,
            str(error),
            subject=settings.responses.api_key_file or "",
            repair=error.hint or "write the key into it, readable for you alone",
        )


def _check_mode(findings: Findings, path: Path, forbidden: int, trouble: str, command: str) -> None:
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
    except OSError:
        return  # gone since; whoever needs it says so
    if mode & forbidden:
        findings.add(
            Area.ENVIRONMENT,
            "loose_file",
            Severity.WARNING,
            f"{trouble} in {path} (mode {mode:o})",
            subject=str(path),
            repair=f"{command} {path}",
        )
