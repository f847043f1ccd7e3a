"""Another process reads what this one would have read, ends with it, and can be lost without losing a file."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from config import Settings
from state.folder import StateFolder
from state.messages.backfill import ListKnownRollouts
from state.messages.threads import GetThread
from state.rollouts import Checkpoint, FoundRollout, find_rollouts
from state.store import open_store
from tests.fakes.codex_home import CodexHome
from workers.backfill import BackfillSummary, scan
from workers.progress import NoProgress
from workers.reading import helpers
from workers.reading.files import Result, read_files
from workers.reading.helpers import Helper, HelperLostError, helpers_wanted

ROOT = Path(__file__).resolve().parents[4]
SECONDS_MAX = 30


@pytest.fixture
def home(tmp_path: Path) -> CodexHome:
    """Some sessions; one holds nothing."""
    home = CodexHome(tmp_path / "codex")
    for number in range(20):
        session = home.session(cwd=f"/project/{number}")
        session.user(f"żółć {number}")
        session.raw(b"\xff\n" * (number % 3))
    home.session(cwd="/gone").path.write_bytes(b"")
    return home


@pytest.fixture
def helper() -> Iterator[Helper]:
    """A process that can be asked."""
    helper = Helper()
    helper.wait_ready()
    yield helper
    helper.end()


def files_of(home: CodexHome) -> list[FoundRollout]:
    return find_rollouts(home.path)[0]


def large(size_bytes: int) -> FoundRollout:
    return FoundRollout(path="sessions/x", archived=False, size_bytes=size_bytes, mtime_ns=0, inode=1)


def test_helper_answers_what_reading_here_answers(home: CodexHome, helper: Helper) -> None:
    files = [*files_of(home), large(1)]  # the last one is not there
    checkpoints = {file.path: _checkpoint(home, file) for file in files[:5]}

    assert list(helper.read_files(home.path, files, checkpoints)) == list(read_files(home.path, files, checkpoints))


def _checkpoint(home: CodexHome, file: FoundRollout) -> Checkpoint:
    (result,) = read_files(home.path, [file], {})
    assert not isinstance(result, str)
    return result.checkpoint


def test_helper_that_was_killed_is_lost(home: CodexHome, helper: Helper) -> None:
    os.kill(helper.pid, signal.SIGKILL)

    with pytest.raises(HelperLostError):
        helper.read_files(home.path, files_of(home), {})


def test_home_that_no_message_can_name_is_not_the_end_of_the_reading(helper: Helper) -> None:
    unspeakable = FoundRollout(path="\ud800", archived=False, size_bytes=1, mtime_ns=0, inode=1)

    with pytest.raises(HelperLostError):
        helper.read_files(Path("/nowhere"), [unspeakable], {})


def test_helper_ends_when_its_parent_is_killed() -> None:
    code = "import time; from workers.reading.helpers import Helper; print(Helper().pid, flush=True); time.sleep(60)"
    with subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        parent.kill()
    began = time.monotonic()
    while _is_running(pid):
        assert time.monotonic() < began + SECONDS_MAX, "the helper outlived its parent"
        time.sleep(0.02)


def _is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    status = Path(f"/proc/{pid}/stat")
    return not (status.exists() and status.read_text().rpartition(")")[2].split()[0] == "Z")


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="needs /proc")
def test_helper_inherits_no_descriptor_but_its_pipes(tmp_path: Path) -> None:
    with open(tmp_path / "lock", "w") as lock:
        os.set_inheritable(lock.fileno(), True)
        helper = Helper()
        try:
            helper.wait_ready()
            assert {path.name for path in Path(f"/proc/{helper.pid}/fd").iterdir()} == {"0", "1", "2"}
        finally:
            helper.end()


def test_helper_imports_neither_the_event_loop_nor_the_store() -> None:
    heavy = "trio", "apsw", "structlog", "state.store"
    code = f"import sys, workers.reading.child; print(*[name for name in {heavy!r} if name in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, check=True).stdout == b"\n"


@pytest.mark.parametrize(
    ("cores", "files", "wanted"),
    [
        (8, [large(helpers.HELP_FROM_BYTES)], helpers.HELPERS_MAX),
        (2, [large(helpers.HELP_FROM_BYTES)], 1),
        (1, [large(helpers.HELP_FROM_BYTES)], 0),
        (8, [large(1_000)] * 100, 0),
        (8, [large(1_000)] * 10_000, helpers.HELPERS_MAX),
    ],
)
def test_helpers_are_for_long_histories_and_spare_cores(
    monkeypatch: pytest.MonkeyPatch, cores: int, files: list[FoundRollout], wanted: int
) -> None:
    monkeypatch.setattr(helpers, "cores", lambda: cores)

    assert helpers_wanted(files) == wanted


async def index(home: CodexHome, state: Path) -> tuple[BackfillSummary, list[object]]:
    """What one scan into an empty store did, and the rows that it left."""
    async with open_store(StateFolder(path=state), str(home.path)) as handle:
        summary = await scan(handle, home.path, Settings(), NoProgress(), retry_failed_now=False)
        assert isinstance(summary, BackfillSummary)
        known = (await handle.ask(ListKnownRollouts())).rollouts
        threads = [await handle.ask(GetThread(thread_id=path.path[-42:-6])) for path in known]
    return summary, [*known, *threads]


async def test_scan_with_helpers_leaves_the_same_rows(
    home: CodexHome, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    alone = await index(home, tmp_path / "alone")
    monkeypatch.setattr(helpers, "HELP_FROM_BYTES", 0)
    monkeypatch.setattr(helpers, "cores", lambda: 3)
    monkeypatch.setattr("workers.backfill.worker.CHUNK_FILES_MAX", 1)

    assert await index(home, tmp_path / "helped") == alone


async def test_file_that_a_helper_is_lost_with_is_read_all_the_same(
    home: CodexHome, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    alone = await index(home, tmp_path / "alone")
    lost = []

    def die(
        self: Helper, codex_home: Path, files: Sequence[FoundRollout], checkpoints: dict[str, Checkpoint]
    ) -> Sequence[Result]:
        os.kill(self.pid, signal.SIGKILL)
        lost.append(self.pid)
        return read_in_helper(self, codex_home, files, checkpoints)

    read_in_helper = Helper.read_files
    monkeypatch.setattr(Helper, "read_files", die)
    monkeypatch.setattr(helpers, "HELP_FROM_BYTES", 0)
    monkeypatch.setattr(helpers, "cores", lambda: 2)
    monkeypatch.setattr("workers.backfill.worker.CHUNK_FILES_MAX", 1)
    monkeypatch.setattr("workers.backfill.worker.read_files", _slowly)

    assert await index(home, tmp_path / "helped") == alone
    assert lost


def _slowly(codex_home: Path, files: Sequence[FoundRollout], checkpoints: dict[str, Checkpoint]) -> Sequence[Result]:
    """As reading here, but slow, so that the helper gets its share."""
    time.sleep(0.2)
    return read_files(codex_home, files, checkpoints)
