"""The Codex home: is it there, on which disk, whose are its files, and may they be read? Only looks.

Everything here may be deleted or moved by others while it is looked at; what is gone is simply not there.
"""

import os
import stat
from pathlib import Path

import attrs

from state.folder import NETWORK_FILE_SYSTEMS, file_system_of
from workers.doctor.finding import Area, Findings, Severity

TOPS = ("sessions", "archived_sessions")


@attrs.define
class _Count:
    """What a walk over the rollouts saw."""

    folders: int = 0
    foreign: int = 0
    foreign_example: str = ""
    unreadable: list[str] = attrs.field(factory=list)


def check_codex_home(findings: Findings, codex_home: Path) -> int:
    """Look at the home; answer how many folders of rollouts it has."""
    try:
        status = codex_home.stat()
    except FileNotFoundError:
        findings.add(
            Area.CODEX_HOME,
            "home_missing",
            Severity.WARNING,
            f"the Codex home {codex_home} does not exist",
            subject=str(codex_home),
            repair="start Codex once, or name the home with --codex-home or CODEX_HOME",
        )
        return 0
    except OSError as error:
        _unreadable(findings, str(codex_home), error.strerror or str(error))
        return 0
    if not stat.S_ISDIR(status.st_mode):
        findings.add(
            Area.CODEX_HOME,
            "home_missing",
            Severity.WARNING,
            f"the Codex home {codex_home} is not a folder",
            subject=str(codex_home),
            repair="name the home with --codex-home or CODEX_HOME",
        )
        return 0
    _check_home_itself(findings, codex_home, status)
    count = _Count()
    _walk(codex_home, count)
    for path in count.unreadable:
        _unreadable(findings, path, "no permission to read it")
    if count.foreign:
        findings.add(
            Area.CODEX_HOME,
            "foreign_files",
            Severity.NOTE,
            f"{count.foreign} files and folders of the rollouts belong to another user, e.g. {count.foreign_example};"
            " what they say is remembered like the rest",
            repair="give each user a Codex home of their own, if that is not meant",
        )
    return count.folders


def _check_home_itself(findings: Findings, codex_home: Path, status: os.stat_result) -> None:
    if status.st_uid != os.geteuid():
        findings.add(
            Area.CODEX_HOME,
            "foreign_home",
            Severity.NOTE,
            f"the Codex home {codex_home} belongs to another user",
            subject=str(codex_home),
        )
    if status.st_mode & stat.S_IWOTH and not status.st_mode & stat.S_ISVTX:
        findings.add(
            Area.CODEX_HOME,
            "home_writable_by_all",
            Severity.WARNING,
            f"everybody on this machine may write into the Codex home {codex_home}, and so into what is remembered",
            subject=str(codex_home),
            repair=f"chmod o-w {codex_home}",
        )
    elif status.st_mode & stat.S_IWGRP:
        findings.add(
            Area.CODEX_HOME,
            "home_writable_by_group",
            Severity.NOTE,
            f"the group of the Codex home {codex_home} may write into it",
            subject=str(codex_home),
            repair=f"chmod g-w {codex_home}, if others are in that group",
        )
    if not os.access(codex_home, os.W_OK, effective_ids=os.access in os.supports_effective_ids):
        findings.add(
            Area.CODEX_HOME,
            "home_read_only",
            Severity.NOTE,
            f"the Codex home {codex_home} is read-only for you; memoryd needs no more, and Codex does",
            subject=str(codex_home),
        )
    kind = file_system_of(codex_home)
    if kind in NETWORK_FILE_SYSTEMS:
        findings.add(
            Area.CODEX_HOME,
            "home_on_network",
            Severity.NOTE,
            f"the Codex home lies on a network or shared file system ({kind}); changes by other machines are seen only"
            " when the service looks again",
        )


def _walk(codex_home: Path, count: _Count) -> None:
    effective = os.access in os.supports_effective_ids
    folders = [os.path.join(codex_home, top) for top in TOPS]
    me = os.geteuid()
    while folders:
        folder = folders.pop()
        try:
            with os.scandir(folder) as listing:
                entries = list(listing)
        except FileNotFoundError:
            continue
        except OSError:
            count.unreadable.append(os.path.relpath(folder, codex_home))
            continue
        count.folders += 1
        for entry in entries:
            try:
                status = entry.stat(follow_symlinks=False)
            except OSError:
                continue  # gone, or below a folder that is named already
            path = os.path.relpath(entry.path, codex_home)
            if status.st_uid != me:
                count.foreign += 1
                count.foreign_example = count.foreign_example or path
            if stat.S_ISDIR(status.st_mode):
                folders.append(entry.path)
            elif (
                stat.S_ISREG(status.st_mode)
                and not os.access(entry.path, os.R_OK, effective_ids=effective)
                and os.path.lexists(entry.path)
            ):
                count.unreadable.append(path)


def _unreadable(findings: Findings, path: str, reason: str) -> None:
    printable = path.encode(errors="surrogateescape").decode(errors="backslashreplace")
    findings.add(
        Area.CODEX_HOME,
        "unreadable",
        Severity.WARNING,
        f"{printable} cannot be read: {reason}",
        subject=printable,
        repair="give yourself the right to read it; nothing that is indexed of it is lost meanwhile",
    )
