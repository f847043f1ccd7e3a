"""Whether Codex's own consolidation rewrote a file of ours, and not a person.

Codex's phase 2 never touches our files by itself, but the agent that it starts may rewrite `memory_summary.md`,
`MEMORY.md` and whatever else is in the folder. When it succeeds Codex commits the folder to a git repository of its own
in it. So a file is Codex's work if its very content is in that repository and it was last written while the last
consolidation ran. Anything less is a person's edit: a person may have edited before a commit, or beside a run that
failed.
"""

import hashlib

from state.codex_jobs import ConsolidationRun, last_consolidation
from workers.publishing.home_files import Found, HomeFiles, digest_of
from workers.publishing.target import V1, V2

DATABASES = {V1: "memories_1.sqlite", V2: "memories_v2_1.sqlite"}
"""Where Codex keeps the jobs of each version."""


class CodexPhase2:
    """Judges files of one home."""

    def __init__(self, files: HomeFiles) -> None:
        self._files = files
        self._runs: dict[str, ConsolidationRun | None] = {}

    def wrote(self, path: str, found: Found) -> bool:
        """Whether there is sound evidence that Codex wrote what was found at the path."""
        folder = path.partition("/")[0]
        if not found.digest or folder not in DATABASES or not self._is_committed(folder, path, found):
            return False
        if folder not in self._runs:
            self._runs[folder] = last_consolidation(self._files.path / DATABASES[folder])
        run = self._runs[folder]
        return run is not None and run.started_at_s <= found.mtime_ns // 1_000_000_000 <= run.finished_at_s

    def _is_committed(self, folder: str, path: str, found: Found) -> bool:
        data = self._files.read(path)
        if digest_of(data) != found.digest:
            return False
        name = hashlib.sha1(b"blob %d\0" % len(data) + data, usedforsecurity=False).hexdigest()
        return self._files.exists(f"{folder}/.git/objects/{name[:2]}/{name[2:]}")
