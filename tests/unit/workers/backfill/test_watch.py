"""What is watched, for how long, and what is said when it cannot be."""

import threading
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import attrs
import pytest
import trio

from workers.backfill import watch
from workers.backfill.changes import Changes
from workers.backfill.places import Root
from workers.backfill.watch import Report, Trouble, Watcher, roots_of

SECONDS_MAX = 10


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Waits are short; the number of tries is what these tests are about."""
    monkeypatch.setattr(watch, "LAYOUT_SECONDS", 0.01)
    monkeypatch.setattr(watch, "RETRY_SECONDS_MIN", 0.001)
    monkeypatch.setattr(watch, "RETRY_SECONDS_MAX", 0.004)


@attrs.define
class FakeSystem:
    """Stands for the operating system: reports what a test has it report, or fails as it is told to."""

    watched: list[tuple[str, ...]] = attrs.field(factory=list)
    failures: list[Exception] = attrs.field(factory=list)
    reports: dict[str, Report] = attrs.field(factory=dict)

    def hear(self, roots: Sequence[Root], stop: threading.Event, report: Report) -> None:
        """What the watcher calls in its threads."""
        self.watched.append(tuple(root.place for root in roots))
        if self.failures:
            raise self.failures.pop(0)
        self.reports[roots[0].place] = report
        while not stop.wait(0.001):
            report(set())


@attrs.define
class Watched:
    """A running watcher."""

    watcher: Watcher
    changes: Changes
    told: list[Trouble | None]

    async def until(self, holds: Callable[[], object]) -> None:
        """Wait until it is so."""
        with trio.fail_after(SECONDS_MAX):
            while True:
                if holds():
                    return
                await trio.sleep(0.001)

    async def hearing(self) -> None:
        """Wait until every watch is in place, and forget that everything is to be looked at then."""
        await self.until(lambda: self.watcher.is_hearing)
        await self.until(lambda: self.changes.take() is None)


@asynccontextmanager
async def watching(home: Path, system: FakeSystem | None = None) -> AsyncIterator[Watched]:
    """Watch a home for the block."""
    changes = Changes()
    told: list[Trouble | None] = []

    async def tell(trouble: Trouble | None) -> None:
        told.append(trouble)
        await trio.lowlevel.checkpoint()

    watcher = Watcher(home, changes, tell) if system is None else Watcher(home, changes, tell, system.hear)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(watcher.run)
        yield Watched(watcher, changes, told)
        nursery.cancel_scope.cancel()


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A home with both folders."""
    for name in ("sessions", "archived_sessions"):
        (tmp_path / "codex" / name).mkdir(parents=True)
    return tmp_path / "codex"


def test_home_that_is_not_there_has_nothing_to_watch(tmp_path: Path) -> None:
    assert roots_of(tmp_path / "missing") == ()
    (tmp_path / "file").touch()
    assert roots_of(tmp_path / "file") == ()


def test_folder_that_is_a_link_is_watched_where_it_leads(home: Path, tmp_path: Path) -> None:
    (home / "sessions").rmdir()
    (tmp_path / "disk").mkdir()
    (home / "sessions").symlink_to(tmp_path / "disk")
    places = {root.place: root.folder for root in roots_of(home)}

    assert places == {
        "": str(home.resolve()),
        "sessions": str((tmp_path / "disk").resolve()),
        "archived_sessions": str((home / "archived_sessions").resolve()),
    }


def test_folder_that_was_replaced_is_another_one(home: Path) -> None:
    before = roots_of(home)
    assert roots_of(home) == before
    (home / "sessions").rename(home / "old")
    (home / "sessions").mkdir()

    assert roots_of(home) != before


async def test_home_and_folders_are_watched_apart_and_everything_is_looked_at_when_both_are(home: Path) -> None:
    system = FakeSystem()
    async with watching(home, system) as watched:
        await watched.hearing()

        assert sorted(system.watched) == [("",), ("sessions", "archived_sessions")]
        assert watched.told == []


async def test_what_is_reported_is_noted(home: Path) -> None:
    system = FakeSystem()
    async with watching(home, system) as watched:
        await watched.hearing()
        heard = {("modified", f"{roots_of(home)[0].folder}/session_index.jsonl")}
        await trio.to_thread.run_sync(system.reports[""], heard)

        assert watched.changes.take() == frozenset({"session_index.jsonl"})


async def test_home_that_appears_later_is_watched_then(tmp_path: Path) -> None:
    system = FakeSystem()
    async with watching(tmp_path / "codex", system) as watched:
        await trio.sleep(0.05)
        assert system.watched == []
        (tmp_path / "codex" / "sessions").mkdir(parents=True)
        await watched.hearing()

        assert ("sessions",) in system.watched


def _remove_a_folder(home: Path) -> None:
    (home / "archived_sessions").rmdir()


def _replace_a_folder(home: Path) -> None:
    (home / "sessions").rename(home / "old")
    (home / "sessions").mkdir()


def _replace_the_home(home: Path) -> None:
    home.rename(home.with_name("old"))
    (home / "sessions").mkdir(parents=True)


@pytest.mark.parametrize("change", [_remove_a_folder, _replace_a_folder, _replace_the_home])
async def test_home_of_another_layout_is_watched_anew_and_everything_looked_at(
    home: Path, change: Callable[[Path], None]
) -> None:
    system = FakeSystem()
    async with watching(home, system) as watched:
        await watched.hearing()
        system.watched.clear()
        change(home)
        await watched.until(lambda: len(system.watched) == 2)
        await watched.hearing()

        assert watched.told == []


async def test_watch_that_cannot_be_had_is_said_once_and_tried_until_it_can(home: Path) -> None:
    error = OSError('OS file watch limit reached. about ["/x"] (Error { kind: MaxFilesWatch, paths: ["/x"] })')
    system = FakeSystem(failures=[error] * 6)
    async with watching(home, system) as watched:
        await watched.hearing()

        assert system.failures == []
        (trouble, well) = watched.told
        assert trouble is not None
        assert "max_user_watches" in trouble.hint
        assert well is None


async def test_watch_that_fails_later_is_begun_again_and_everything_is_looked_at(home: Path) -> None:
    class Breaks(FakeSystem):
        def hear(self, roots: Sequence[Root], stop: threading.Event, report: Report) -> None:
            is_first = not self.watched
            super().hear(roots, breaking if is_first else stop, report)
            if is_first:
                raise RuntimeError("Unable to decode path")

    breaking = threading.Event()
    async with watching(home, Breaks()) as watched:
        await watched.hearing()
        breaking.set()
        await watched.until(lambda: watched.told)
        await watched.hearing()
        await watched.until(lambda: len(watched.told) == 2)

        assert watched.told[0] is not None
        assert "decode" in watched.told[0].reason
        assert watched.told[1] is None


async def test_folder_that_vanishes_while_its_watch_begins_is_no_trouble(home: Path) -> None:
    system = FakeSystem(failures=[FileNotFoundError("No path was found.")])
    async with watching(home, system) as watched:
        await watched.hearing()

        assert watched.told == []


async def test_file_system_of_other_machines_is_watched_and_looked_at_as_if_it_were_not(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watch, "file_system_of", lambda path: "nfs4" if path.name == "sessions" else "ext4")
    system = FakeSystem()
    async with watching(home, system) as watched:
        await watched.until(lambda: watched.told)
        await watched.until(lambda: watched.changes.take() is None)

        assert not watched.watcher.is_hearing
        assert watched.told[0] is not None
        assert "nfs4" in watched.told[0].reason
        heard = {("modified", f"{roots_of(home)[0].folder}/session_index.jsonl")}
        await trio.to_thread.run_sync(system.reports[""], heard)
        assert watched.changes.take() == frozenset({"session_index.jsonl"})


@pytest.mark.parametrize(
    ("error", "hint"),
    [
        (OSError("OS file watch limit reached."), "fs.inotify.max_user_watches"),
        (RuntimeError("Error creating recommended watcher: Too many open files (os error 24)"), "max_user_instances"),
        (RuntimeError("something else"), "backfill.watch"),
    ],
)
def test_trouble_has_a_hint(error: Exception, hint: str) -> None:
    assert hint in Trouble.of(error).hint


async def test_threads_that_hear_end_with_the_watcher(home: Path) -> None:
    async with watching(home) as watched:
        await watched.hearing()
        assert watched.watcher._limiter.borrowed_tokens == 2

    assert watched.watcher._limiter.borrowed_tokens == 0


async def test_real_changes_are_heard_by_their_places(home: Path, tmp_path: Path) -> None:
    async with watching(home) as watched:
        await watched.hearing()
        heard: set[str] = set()

        async def until_heard(place: str) -> None:
            def holds() -> bool:
                heard.update(watched.changes.take() or ())
                return place in heard

            await watched.until(holds)
            heard.clear()

        (home / "sessions" / "2026" / "11").mkdir(parents=True)
        await until_heard("sessions/2026")
        rollout = home / "sessions" / "2026" / "11" / "rollout-x.jsonl"
        rollout.write_text("{}\n")
        await until_heard("sessions/2026/11/rollout-x.jsonl")
        with rollout.open("a") as file:
            file.write("{}\n")
        await until_heard("sessions/2026/11/rollout-x.jsonl")
        rollout.rename(home / "archived_sessions" / rollout.name)
        await until_heard("archived_sessions/rollout-x.jsonl")
        (home / "session_index.jsonl").write_text("{}\n")
        await until_heard("session_index.jsonl")


async def test_linked_folder_among_the_folders_is_not_followed_and_new_ones_are_heard(
    home: Path, tmp_path: Path
) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (home / "sessions" / "2026").mkdir()
    (home / "sessions" / "link").symlink_to(elsewhere)
    async with watching(home) as watched:
        await watched.hearing()
        (elsewhere / "rollout-x.jsonl").touch()
        (home / "sessions" / "2026" / "rollout-y.jsonl").touch()
        await watched.until(lambda: watched.changes)
        assert watched.changes.take() == frozenset({"sessions/2026/rollout-y.jsonl"})

        (home / "sessions" / "2026" / "12").mkdir()
        await watched.until(lambda: watched.changes.take() is None)
        await watched.until(lambda: watched.watcher.is_hearing)
        (home / "sessions" / "2026" / "12" / "rollout-z.jsonl").touch()
        await watched.until(lambda: "sessions/2026/12/rollout-z.jsonl" in (watched.changes.take() or ()))


async def test_name_that_is_not_utf8_stops_hearing_only_for_a_moment(home: Path) -> None:
    async with watching(home) as watched:
        await watched.hearing()
        (home / "sessions" / "rollout-\udcff.jsonl").touch()
        await watched.until(lambda: watched.told)
        await watched.until(lambda: len(watched.told) == 2)

        assert watched.told[1] is None
        await watched.hearing()


@pytest.mark.parametrize("happened", ["deleted", "added"])
async def test_folder_that_goes_or_comes_begins_the_watch_anew_although_it_looks_the_same(
    home: Path, happened: str
) -> None:
    """File systems give the number of a folder that was removed to the next one that is made."""
    system = FakeSystem()
    async with watching(home, system) as watched:
        await watched.hearing()
        begun = len(system.watched)
        top = next(root.folder for root in roots_of(home) if root.place == "sessions")
        await trio.to_thread.run_sync(system.reports["sessions"], {(happened, top)})
        await watched.until(lambda: len(system.watched) > begun)
        await watched.hearing()
