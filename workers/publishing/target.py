"""Which memory folder of a Codex home its sessions read, by the home's own config.toml.

    [memories] version = "v1"   memories/
    [memories] version = "v2"   memories_v2/
    unset                       memories/ where Codex already has that folder, else memories_v2/

When the version is unset, `memories/` is never made: its being there would turn Codex to v1 and hide its v2 memory.
"""

import os
import stat
import tomllib
from collections.abc import Mapping
from typing import Any

import attrs

from workers.publishing.home_files import HomeFiles
from workers.publishing.manifest import Manifest

V1, V2 = "memories", "memories_v2"
CONFIG = "config.toml"


@attrs.frozen(kw_only=True)
class Target:
    """The memory folder, relative to the home, and what a person should know about the home's configuration."""

    folder: str
    notes: tuple[str, ...] = ()


def choose(files: HomeFiles, manifest: Manifest) -> Target:
    """Find the folder that the next session of this home will read."""
    config, problem = _read_config(files)
    if problem:
        # Half saved, perhaps: what is published stays where it is until somebody can say otherwise.
        return Target(folder=manifest.folder or _unset(files, manifest), notes=(problem,))
    notes = []
    if _table(config, "features").get("memories") is not True:
        notes.append(f"{files.path / CONFIG} does not set features.memories = true: Codex reads no memories without it")
    memories = _table(config, "memories")
    if memories.get("use_memories") is False:
        notes.append(f"{files.path / CONFIG} sets memories.use_memories = false: Codex reads no memories")
    version = memories.get("version")
    if version == "v1":
        return Target(folder=V1, notes=tuple(notes))
    if version == "v2":
        return Target(folder=V2, notes=tuple(notes))
    if version is not None:
        notes.append(f"{files.path / CONFIG} sets memories.version to {version!r}, which memoryd does not know")
    return Target(folder=_unset(files, manifest), notes=tuple(notes))


def _unset(files: HomeFiles, manifest: Manifest) -> str:
    if not files.exists(V1):
        return V2
    return V2 if V1 in manifest.folders and _holds_only_ours(files, V1, manifest) else V1


def _holds_only_ours(files: HomeFiles, folder: str, manifest: Manifest) -> bool:
    """Whether the folder will be gone once what is ours is taken out of it."""
    if files.folder_state(folder) != "":
        return False
    for name in files.entries(folder):
        path = f"{folder}/{name}"
        if path in manifest.folders:
            if not _holds_only_ours(files, path, manifest):
                return False
        elif path not in manifest.files and path not in manifest.temporary:
            return False
    return True


def _read_config(files: HomeFiles) -> tuple[Mapping[str, Any], str]:
    path = files.path / CONFIG
    try:
        with open(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise ValueError("it is not a file")
            return tomllib.loads(file.read().decode()), ""
    except FileNotFoundError:
        return {}, ""
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
    except (ValueError, RecursionError) as error:
        reason = str(error)
    return {}, f"{path} cannot be read ({reason}): taken as if it set no memories.version"


def _table(config: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    table = config.get(name)
    return table if isinstance(table, dict) else {}
