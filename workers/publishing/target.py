"""Which memory folder of a Codex home its sessions read, by the home's own config.toml.

    [memories] version = "v1"   memories/
    [memories] version = "v2"   memories_v2/
    unset                       memories/ where Codex already has that folder, else memories_v2/

When the version is unset, `memories/` is never made: its being there would turn Codex to v1 and hide its v2 memory.
"""

import attrs

from state.codex_config import NAME, read_codex_config
from workers.publishing.home_files import HomeFiles
from workers.publishing.manifest import Manifest

V1, V2 = "memories", "memories_v2"


@attrs.frozen(kw_only=True)
class Target:
    """The memory folder, relative to the home, and what a person should know about the home's configuration."""

    folder: str
    notes: tuple[str, ...] = ()


def choose(files: HomeFiles, manifest: Manifest) -> Target:
    """Find the folder that the next session of this home will read."""
    path = files.path / NAME
    config = read_codex_config(files.path)
    if config.problem is not None:
        # Half saved, perhaps: what is published stays where it is until somebody can say otherwise.
        note = f"{path} cannot be read ({config.problem}): taken as if it set no memories.version"
        return Target(folder=manifest.folder or _unset(files, manifest), notes=(note,))
    notes = []
    if config.table("features").get("memories") is not True:
        notes.append(f"{path} does not set features.memories = true: Codex reads no memories without it")
    memories = config.table("memories")
    if memories.get("use_memories") is False:
        notes.append(f"{path} sets memories.use_memories = false: Codex reads no memories")
    version = memories.get("version")
    if version == "v1":
        return Target(folder=V1, notes=tuple(notes))
    if version == "v2":
        return Target(folder=V2, notes=tuple(notes))
    if version is not None:
        notes.append(f"{path} sets memories.version to {version!r}, which memoryd does not know")
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
