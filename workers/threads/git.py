"""What a folder's repository says of itself, read from its files: no program is run for it."""

import configparser
import os
import re
from collections.abc import Mapping
from pathlib import Path

FILE_BYTES_MAX = 1 << 20
PARENTS_MAX = 64

_LOGIN = re.compile(r"://[^/@]*@")
"""Who keeps a password in an address did not mean to have it copied."""


def git_of(cwd: str) -> Mapping[str, str | None] | None:
    """Commit, branch and origin of the repository that a folder lies in; None outside of one. Blocks; never raises."""
    try:
        folder = _git_folder(Path(cwd))
        if folder is None:
            return None
        common = _common(folder)
        head = _text(folder / "HEAD").strip()
        branch = head.removeprefix("ref: refs/heads/") if head.startswith("ref: refs/heads/") else None
        found = {
            "commit_hash": _commit(common, head),
            "branch": branch,
            "repository_url": _origin(common),
        }
    except (OSError, ValueError):
        return None
    return {name: value for name, value in found.items() if value} or None


def _git_folder(cwd: Path) -> Path | None:
    for folder in (cwd, *cwd.parents)[:PARENTS_MAX]:
        git = folder / ".git"
        if git.is_dir():
            return git
        if git.is_file():  # a work tree of its own, or a submodule
            target = _text(git).strip().removeprefix("gitdir:").strip()
            return Path(os.path.normpath(folder / target)) if target else None
    return None


def _common(folder: Path) -> Path:
    named = folder / "commondir"
    return Path(os.path.normpath(folder / _text(named).strip())) if named.is_file() else folder


def _commit(common: Path, head: str) -> str | None:
    if not head.startswith("ref: "):
        return head or None
    name = head.removeprefix("ref: ")
    if ".." in name.split("/") or name.startswith("/"):
        return None
    loose = common / name
    if loose.is_file():
        return _text(loose).strip() or None
    packed = common / "packed-refs"
    if not packed.is_file():
        return None
    for line in _text(packed).splitlines():
        commit, _, ref = line.partition(" ")
        if ref == name:
            return commit
    return None


def _origin(common: Path) -> str | None:
    if not (common / "config").is_file():
        return None
    parser = configparser.RawConfigParser(strict=False, allow_no_value=True, delimiters=("=",))
    try:
        parser.read_string(_text(common / "config"))
    except configparser.Error:
        return None
    url = parser.get('remote "origin"', "url", fallback=None)
    return None if url is None else _LOGIN.sub("://", url)


def _text(path: Path) -> str:
    with open(path, "rb") as file:
        return file.read(FILE_BYTES_MAX).decode("utf-8", "replace")
