"""The log database: nothing needs it, so its damage costs what was said and nothing else."""

from state.folder import StateFolder
from state.integrity import look_at_log_database
from workers.doctor.finding import Area, Findings, Severity

CHECK_SECONDS_MAX = 5.0
"""Ten days of entries are looked at in less."""


def check_log_database(findings: Findings, folder: StateFolder) -> None:
    """Look at it, where there is one."""
    seen = look_at_log_database(folder, seconds_max=CHECK_SECONDS_MAX)
    if seen is None or not (seen.damage or seen.trouble):
        return
    findings.add(
        Area.STATE,
        "logs_damaged" if seen.damage else "logs_unreadable",
        Severity.WARNING,
        f"the log database {folder.log_files.database}"
        + (f" is damaged: {seen.damage[0]}" if seen.damage else f" could not be looked at: {seen.trouble}"),
        subject=str(folder.log_files.database),
        repair="the next `memoryd once` or `memoryd run` moves it aside and begins it anew; nothing else needs it"
        if seen.damage
        else "end the process that holds it, or check that you may read it; then look again",
    )
