"""The list of what memoryd wrote into a Codex home: by it, and by nothing else, a file is known to be ours.

It lies in memoryd's own state folder. What a pass is about to write is entered before the first file is touched, so
that a process killed at any instruction leaves only files that the list knows, with their old or their new digest.
"""

import json
import os
from contextlib import suppress
from pathlib import Path
from typing import Any

import attrs

from state.folder import sync_folder
from workers.publishing.errors import PublishError, explained

FORMAT = 1


@attrs.frozen(kw_only=True)
class Kept:
    """A path in the home that is left as it is: why, and what a person can do. ours: memoryd wrote it once."""

    path: str
    reason: str
    hint: str
    ours: bool


@attrs.frozen(kw_only=True)
class Manifest:
    """What is ours in one home. Paths are relative to the home, with `/`.

    Attributes:
      files: the digests under which each file is ours: one, or the old and the new one while a pass is at work.
      folders: the folders that we made.
      temporary: names that a pass may have left behind if it was killed.
      folder: the memory folder that was last published to.
      published_at_ms: when a file was last written or removed.
      kept: what the last pass left alone.
      problem: why the last pass failed; None when it did not.
    """

    codex_home: str
    files: dict[str, tuple[str, ...]] = attrs.field(factory=dict)
    folders: tuple[str, ...] = ()
    temporary: tuple[str, ...] = ()
    folder: str | None = None
    published_at_ms: int | None = None
    kept: tuple[Kept, ...] = ()
    problem: str | None = None

    @property
    def is_empty(self) -> bool:
        """Whether nothing in the home is ours, and there is nothing to say."""
        return not (self.files or self.folders or self.temporary or self.problem)


def manifest_path(publish_dir: Path) -> Path:
    """Where the list for the Codex home lies."""
    return publish_dir / "codex.json"


def load(publish_dir: Path, codex_home: Path) -> Manifest:
    """Read the list; an empty one when nothing was ever published.

    Raises:
      PublishError: it cannot be read, or is another home's; without it nothing in the home is known to be ours.
    """
    path = manifest_path(publish_dir)
    try:
        with explained("read the list of published files", path):
            data = json.loads(path.read_bytes())
        manifest = _from_json(data)
    except PublishError as error:
        if isinstance(error.__cause__, FileNotFoundError):
            return Manifest(codex_home=str(codex_home))
        raise
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise PublishError(
            f"the list of published files {path} is damaged: {error}",
            hint="move it aside; what it listed then counts as not written by memoryd and is yours to remove",
        ) from error
    if manifest.codex_home != str(codex_home):
        raise PublishError(
            f"the list of published files {path} belongs to the Codex home {manifest.codex_home}",
            hint="name that home with --codex-home, or another folder with --state-dir",
        )
    return manifest


def save(publish_dir: Path, manifest: Manifest) -> None:
    """Put the list on disk, whole; remove it when nothing is ours any more.

    Raises:
      PublishError: the state folder cannot be written.
    """
    path = manifest_path(publish_dir)
    with explained("write the list of published files", path):
        publish_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        if manifest.is_empty and not manifest.kept:
            with suppress(FileNotFoundError):
                os.unlink(path)
        else:
            _replace(path, json.dumps({"format": FORMAT, **attrs.asdict(manifest)}, indent=1).encode())
        sync_folder(publish_dir)


def _from_json(data: Any) -> Manifest:
    if data["format"] != FORMAT:
        raise ValueError(f"format {data['format']} is not known to this memoryd")
    return Manifest(
        codex_home=data["codex_home"],
        files={_path(path): tuple(map(str, digests)) for path, digests in data["files"].items()},
        folders=tuple(map(_path, data["folders"])),
        temporary=tuple(map(_path, data["temporary"])),
        folder=data["folder"],
        published_at_ms=data["published_at_ms"],
        kept=tuple(Kept(**one) for one in data["kept"]),
        problem=data["problem"],
    )


def _path(text: Any) -> str:
    """A path that leads to nowhere but into the home."""
    if not isinstance(text, str) or text.startswith("/") or {"", ".", ".."} & set(text.split("/")):
        raise ValueError(f"{text!r} is not a path within the home")
    return text


def _replace(path: Path, data: bytes) -> None:
    other = path.with_name(path.name + ".new")
    with open(
        os.open(other, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600), "wb"
    ) as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    os.rename(other, path)
