"""`memoryd run` follows what is written into the home. The rescan is an hour away: only events can be the cause."""

import os
import signal
import sqlite3
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import attrs
import pytest

from tests.fakes.codex_home import CodexHome, RolloutFile, now_ms
from tests.fakes.command import Memoryd, wait_for_event

SECONDS_MAX = 30
HEARD_ONLY = ("--set", "backfill.rescan_seconds=3600")
WISH = "Please add a login page to the shop. Always use pnpm instead of npm in this project."


@attrs.define
class Following:
    """A running service and what its index holds."""

    home: CodexHome
    state_dir: Path
    process: "subprocess.Popen[str]"

    def rows(self, sql: str, *parameters: Any) -> list[tuple[Any, ...]]:
        """The rows of a statement, read beside the service."""
        database = f"file:{self.state_dir}/state.sqlite?mode=ro"
        with closing(sqlite3.connect(database, uri=True, timeout=SECONDS_MAX)) as connection:
            return list(connection.execute(sql, parameters))

    def until(self, holds: Callable[[], Any]) -> None:
        """Wait until it is so; the service must live meanwhile."""
        give_up_at = time.monotonic() + SECONDS_MAX
        while not holds():
            assert self.process.poll() is None, "the service ended"
            assert time.monotonic() < give_up_at, f"it never came true: {self.rows('SELECT * FROM rollout_files')}"
            time.sleep(0.02)

    def status(self, path: Path) -> str | None:
        """What became of a file."""
        place = str(path.relative_to(self.home.path))
        rows = self.rows("SELECT status FROM rollout_files WHERE path = ?", place)
        return str(rows[0][0]) if rows else None

    def until_whole(self, rollout: RolloutFile) -> None:
        """Wait until the index has read a file to its end."""
        place = str(rollout.path.relative_to(self.home.path))
        self.until(
            lambda: (
                self.rows("SELECT offset_bytes FROM rollout_files WHERE path = ? AND status = 'indexed'", place)
                == [(rollout.path.stat().st_size,)]
            )
        )


def begun(home: CodexHome, memoryd: Memoryd, process: "subprocess.Popen[str]") -> Following:
    """The service hears, and has looked at everything since it began to: what follows is heard or missed."""
    wait_for_event(process, "watching")
    following = Following(home=home, state_dir=memoryd.state_dir, process=process)
    first = home.session(hours_ago=24 * 300)
    following.until_whole(first)
    return following


@pytest.fixture
def following(home: CodexHome, memoryd: Memoryd) -> Iterator[Following]:
    """A service that follows a home with both folders."""
    for name in ("sessions", "archived_sessions"):
        (home.path / name).mkdir()
    with memoryd.running("run", *HEARD_ONLY) as process:
        yield begun(home, memoryd, process)


def test_session_is_followed_line_by_line(following: Following) -> None:
    rollout = following.home.session()
    for number in range(5):
        rollout.user(f"task {number}")
        following.until_whole(rollout)

    assert following.rows("SELECT title FROM threads WHERE id = ?", rollout.thread_id) == [("task 0",)]


def test_file_in_folders_that_did_not_exist_is_found(following: Following) -> None:
    """The folders and the file are made in one breath, before anybody can watch the folders."""
    rollout = following.home.session(hours_ago=24 * 900)

    following.until_whole(rollout)


def test_folder_that_is_moved_in_is_found_and_one_that_is_moved_out_has_vanished(
    following: Following, tmp_path: Path
) -> None:
    outside = CodexHome(path=tmp_path / "outside")
    rollout = outside.session(hours_ago=24 * 700)
    year = rollout.path.parent.parent.parent
    inside = following.home.path / "sessions" / year.name
    place = inside / rollout.path.relative_to(year)
    year.rename(inside)
    following.until(lambda: following.status(place) == "indexed")

    inside.rename(year)
    following.until(lambda: following.status(place) == "vanished")


def test_archived_session_moves_and_comes_back(following: Following) -> None:
    rollout = following.home.session()
    rollout.user(WISH)
    following.until_whole(rollout)
    active, archived = rollout.path, following.home.path / "archived_sessions" / rollout.path.name

    def is_archived() -> bool:
        ((archived_at_ms,),) = following.rows("SELECT archived_at_ms FROM threads WHERE id = ?", rollout.thread_id)
        return archived_at_ms is not None

    active.rename(archived)
    following.until(lambda: is_archived() and following.status(active) == "vanished")
    archived.rename(active)
    following.until(lambda: not is_archived() and following.status(archived) == "vanished")


def test_deleted_file_has_vanished_and_what_it_shadowed_is_read_again(following: Following) -> None:
    rollout = following.home.session()
    following.until_whole(rollout)
    copy = following.home.path / "archived_sessions" / rollout.path.name
    copy.write_bytes(rollout.path.read_bytes())
    following.until(lambda: following.status(copy) == "shadowed")

    rollout.path.unlink()
    following.until(lambda: following.status(rollout.path) == "vanished" and following.status(copy) == "indexed")


def test_file_that_is_replaced_is_read_from_its_start(following: Following) -> None:
    rollout = following.home.session()
    rollout.user("Always use pnpm.")
    following.until_whole(rollout)
    other = following.home.path / "sessions" / "other.tmp"
    other.write_bytes(rollout.path.read_bytes().replace(b"pnpm", b"yarn"))
    os.replace(other, rollout.path)

    following.until(
        lambda: following.rows("SELECT title FROM threads WHERE id = ?", rollout.thread_id) == [("Always use yarn.",)]
    )


def test_name_is_recorded_when_it_is_given(following: Following) -> None:
    rollout = following.home.session()
    following.until_whole(rollout)
    following.home.name_thread(rollout.thread_id, "the login page")

    following.until(
        lambda: following.rows("SELECT name FROM threads WHERE id = ?", rollout.thread_id) == [("the login page",)]
    )


def test_burst_of_new_files_is_indexed_whole_while_the_service_answers(following: Following, memoryd: Memoryd) -> None:
    burst = [following.home.session(hours_ago=number / 20) for number in range(2_000)]
    answered = memoryd("threads", "list", "--json")

    assert answered.code == 0
    following.until(
        lambda: following.rows("SELECT count(*) FROM rollout_files WHERE status = 'indexed'") == [(len(burst) + 1,)]
    )
    assert following.rows("SELECT crashes FROM workers WHERE worker = 'backfill'") == [(0,)]


def test_folder_of_the_rollouts_that_is_replaced_is_followed(following: Following) -> None:
    sessions = following.home.path / "sessions"
    sessions.rename(following.home.path / "moved-away")
    sessions.mkdir()
    following.until(lambda: following.rows("SELECT count(*) FROM rollout_files WHERE status = 'vanished'") == [(1,)])
    rollout = following.home.session()
    following.until_whole(rollout)
    rollout.user(WISH)

    following.until_whole(rollout)


def test_home_that_appears_later_is_followed(tmp_path: Path) -> None:
    home = CodexHome(path=tmp_path / "later")
    memoryd = Memoryd(codex_home=home.path, state_dir=tmp_path / "state")
    with memoryd.running("run", *HEARD_ONLY) as process:
        wait_for_event(process, "ready")
        rollout = home.session()
        following = begun(home, memoryd, process)
        following.until_whole(rollout)
        rollout.user(WISH)

        following.until_whole(rollout)


def test_folder_on_another_disk_is_followed(home: CodexHome, memoryd: Memoryd, tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    (home.path / "sessions").symlink_to(tmp_path / "disk")
    with memoryd.running("run", *HEARD_ONLY) as process:
        following = begun(home, memoryd, process)
        rollout = home.session()
        rollout.user(WISH)

        following.until_whole(rollout)


@pytest.mark.parametrize(
    ("limit", "value", "reason", "hint"),
    [
        ("max_inotify_instances", 0, "limit of watches", "max_user_instances"),
        ("max_inotify_watches", 2, "limit of watched folders", "max_user_watches"),
    ],
)
def test_service_that_may_not_watch_says_so_and_looks_instead(
    home: CodexHome, memoryd: Memoryd, limit: str, value: int, reason: str, hint: str
) -> None:
    """It gets a user namespace of its own, in which hardly anything may be watched."""
    limits = f'echo {value} > /proc/sys/user/{limit} && exec "$@"'
    prefix = ("unshare", "--user", "--map-root-user", "sh", "-c", limits, "sh")
    try:
        refused = subprocess.run([*prefix, "true"], capture_output=True, check=False).returncode
    except FileNotFoundError:
        refused = 1
    if refused:
        pytest.skip("this machine gives no user namespace with limits of its own")
    limited = attrs.evolve(memoryd, prefix=prefix)
    rollout = home.session()
    with limited.running("run", "--set", "backfill.rescan_seconds=0.2") as process:
        warning = wait_for_event(process, "not every change is heard: looking at everything now and then")
        following = Following(home=home, state_dir=memoryd.state_dir, process=process)
        following.until_whole(rollout)
        rollout.user(WISH)
        following.until_whole(rollout)
        (entry,) = memoryd("status", "--json").json["processes"]
        shown = memoryd("status").stdout

        assert hint in warning["hint"]
        (said,) = [one["reason"] for one in entry["workers"] if one["worker"] == "backfill"]
        assert reason in said
        assert said in shown
        assert following.rows("SELECT crashes FROM workers WHERE worker = 'backfill'") == [(0,)]


def test_service_that_shall_not_watch_looks_now_and_then(home: CodexHome, memoryd: Memoryd) -> None:
    with memoryd.running("run", "--set", "backfill.watch=false", "--set", "backfill.rescan_seconds=0.1") as process:
        wait_for_event(process, "ready")
        rollout = home.session()
        rollout.user(WISH)
        following = Following(home=home, state_dir=memoryd.state_dir, process=process)
        following.until(lambda: (memoryd.state_dir / "state.sqlite").exists())

        following.until_whole(rollout)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_service_stops_in_order_while_it_watches_and_files_change(following: Following, number: signal.Signals) -> None:
    rollout = following.home.session()
    for _ in range(20):
        rollout.user(WISH)
        time.sleep(0.01)
    following.process.send_signal(number)
    for _ in range(20):
        rollout.user(WISH)
    _, log = following.process.communicate(timeout=SECONDS_MAX)

    assert following.process.returncode == 0, log
    assert "Traceback" not in log
    assert '"stopped"' in log
    assert "at once" not in log


@pytest.mark.slow
def test_session_is_extracted_once_it_is_idle_and_once_more_after_it_went_on(home: CodexHome, memoryd: Memoryd) -> None:
    """Idle means that the last meaningful line is three seconds old; until then nobody claims the session."""
    idle_seconds = 3
    arguments = ("--set", f"extraction.min_rollout_idle_hours={idle_seconds / 3600:.9f}")

    def claims() -> int:
        return int(following.rows("SELECT coalesce(sum(fencing_number), 0) FROM extraction_jobs")[0][0])

    def memory() -> str:
        return "".join(str(text) for (text,) in following.rows("SELECT raw_memory FROM memories"))

    def say(text: str) -> None:
        rollout.at_ms = now_ms() - 1000  # a line carries the time at which it is written
        rollout.user(text)

    with memoryd.running("run", *HEARD_ONLY, *arguments) as process:
        wait_for_event(process, "watching")
        following = Following(home=home, state_dir=memoryd.state_dir, process=process)
        rollout = home.session(hours_ago=0)
        written_at, gap_seconds = time.monotonic(), 0.0
        for number in range(20):
            say(f"{WISH} This is remark {number}.")
            gap_seconds = max(gap_seconds, time.monotonic() - written_at)
            written_at = time.monotonic()
            time.sleep(idle_seconds / 15)
        # On a machine that stood still for so long the session was idle, and its claim right.
        assert claims() == 0 or gap_seconds > idle_seconds / 2

        published = memoryd.state_dir / "memories" / "memory_summary.md"
        following.until(lambda: "pnpm" in memory() and published.exists() and "pnpm" in published.read_text())
        before = claims()
        say("From now on never run the deploy script without asking me first.")
        following.until(lambda: "deploy script" in memory())
        following.until(lambda: "deploy script" in published.read_text())

        assert claims() == before + 1
