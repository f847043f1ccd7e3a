"""`memoryd once` beside the real binary: it remembers what was said, cites it, and leaves the Codex home alone."""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import attrs
import pytest

from tests.fakes.command import Memoryd
from tests.interop.genuine_home import GenuineHome
from tests.interop.varieties import Variety

pytestmark = pytest.mark.interop

Snapshot = Mapping[str, tuple[int, int, str]]
"""By relative path: permission bits, mtime in ns, and the digest of a file's bytes ('' for a folder)."""


@attrs.frozen(kw_only=True)
class WholeRun:
    """One `memoryd once` over the genuine home: its answer, and the home before and after it."""

    memoryd: Memoryd
    answer: Any
    before: Snapshot
    after: Snapshot

    def memory_files(self) -> dict[Path, str]:
        """The text of every file that a memory was written to."""
        return {path: path.read_text(encoding="utf-8") for path in self._files("**/*.md")}

    def scope_memories(self) -> list[str]:
        """The MEMORY.md of each scope."""
        return [path.read_text(encoding="utf-8") for path in self._files("scopes/*/MEMORY.md")]

    def _files(self, pattern: str) -> list[Path]:
        return sorted(Path(self.answer["memories_dir"]).glob(pattern))


@pytest.fixture(scope="module")
def whole_run(codex_home: GenuineHome, tmp_path_factory: pytest.TempPathFactory) -> WholeRun:
    memoryd = Memoryd(
        codex_home=codex_home.path, state_dir=tmp_path_factory.mktemp("whole-run"), person=codex_home.codex.person
    )
    before = _snapshot(codex_home.path)
    answer = memoryd.once()
    return WholeRun(memoryd=memoryd, answer=answer, before=before, after=_snapshot(codex_home.path))


def _snapshot(folder: Path) -> Snapshot:
    def entry(path: Path) -> tuple[int, int, str]:
        status = path.lstat()
        digest = hashlib.blake2b(path.read_bytes()).hexdigest() if path.is_file() else ""
        return status.st_mode, status.st_mtime_ns, digest

    return {str(path.relative_to(folder)): entry(path) for path in sorted(folder.rglob("*"))}


def test_codex_home_is_the_same_to_the_byte(whole_run: WholeRun) -> None:
    assert whole_run.after == whole_run.before


def test_every_rollout_is_indexed(whole_run: WholeRun, codex_home: GenuineHome) -> None:
    backfill = whole_run.answer["backfill"]

    assert backfill["files"] == backfill["indexed"] == len(codex_home.threads)
    assert backfill["failed"] == backfill["skipped"] == 0


def test_second_run_reads_nothing_again(whole_run: WholeRun, codex_home: GenuineHome) -> None:
    again = whole_run.memoryd.once()

    assert again["backfill"]["unchanged"] == len(codex_home.threads)
    assert again["extraction"]["claimed"] == 0


def test_memory_of_the_commands_cites_their_thread(whole_run: WholeRun, codex_home: GenuineHome) -> None:
    thread = codex_home.threads[Variety.COMMANDS]
    lines = [line for memory in whole_run.scope_memories() for line in memory.splitlines() if thread in line]

    assert any("Never change recipe.txt" in line for line in lines)


@pytest.mark.parametrize("variety", [Variety.MEMORY_OFF, Variety.ARCHIVED, Variety.SUB_AGENT])
def test_thread_that_is_not_to_be_remembered_is_in_no_memory(
    variety: Variety, whole_run: WholeRun, codex_home: GenuineHome
) -> None:
    files = whole_run.memory_files()

    assert files
    assert [path for path, text in files.items() if codex_home.threads[variety] in text] == []
