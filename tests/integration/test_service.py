"""`memoryd run` under real signals: ready, stopping, killed, restarted."""

import json
import os
import signal
import sqlite3
import time
from pathlib import Path
from typing import Any

import apsw

from tests.fakes.codex_home import CodexHome
from tests.fakes.command import Memoryd, wait_for_event

WISH = "Please add a login page to the shop. Always use pnpm instead of npm in this project."


def _rows(state_dir: Path) -> dict[str, list[tuple[Any, ...]]]:
    """Everything in the index that does not say when or by whom it was written."""
    connection = apsw.Connection(str(state_dir / "state.sqlite"), flags=apsw.SQLITE_OPEN_READONLY)
    try:
        return {
            "threads": list(connection.execute("SELECT * FROM threads ORDER BY id")),
            "files": list(
                connection.execute(
                    "SELECT path, size_bytes, mtime_ns, status, reason, thread_id, offset_bytes, head_digest,"
                    " tail_digest, lines_skipped FROM rollout_files ORDER BY path"
                )
            ),
            "jobs": list(connection.execute("SELECT thread_id, scope_key, status FROM extraction_jobs ORDER BY 1, 2")),
        }
    finally:
        connection.close()


def _wait_until(holds: Any, seconds_max: float = 20) -> None:
    give_up_at = time.monotonic() + seconds_max
    while not holds():
        assert time.monotonic() < give_up_at, "it never came true"
        time.sleep(0.02)


def test_the_service_publishes_what_appears_and_stops_in_order(home: CodexHome, memoryd: Memoryd) -> None:
    arguments = ("--set", "backfill.rescan_seconds=0.1", "--set", "extraction.min_rollout_idle_hours=0")
    with memoryd.running("run", *arguments) as process:
        wait_for_event(process, "ready")
        home.session().user(WISH)
        _wait_until(lambda: (memoryd.state_dir / "memories" / "memory_summary.md").exists())
        process.send_signal(signal.SIGTERM)
        _, log = process.communicate(timeout=20)

        assert process.returncode == 0, log
    assert "pnpm" in (memoryd.state_dir / "memories" / "memory_summary.md").read_text()
    status = memoryd("status", "--json").json
    assert status["processes"] == []
    assert status["extraction"]["jobs_by_status"] == {"succeeded": 1}


def test_status_shows_the_workers_of_a_running_service(memoryd: Memoryd) -> None:
    with memoryd.running("run") as process:
        wait_for_event(process, "ready")
        (entry,) = memoryd("status", "--json").json["processes"]

        assert entry["pid"] == process.pid
        assert entry["alive"] is True
        assert {one["worker"]: one["state"] for one in entry["workers"]} == dict.fromkeys(
            ("reaper", "backfill", "extraction", "consolidation", "publishing", "retention"), "running"
        )


def test_kill_in_mid_backfill_costs_nothing(home: CodexHome, memoryd: Memoryd, tmp_path: Path) -> None:
    for number in range(300):
        rollout = home.session(hours_ago=48 + number, cwd=f"/home/ann/project{number % 3}")
        rollout.user(f"{WISH} This is task {number}.")
        rollout.command("make test", exit_code=2, output="x" * 200_000)
    with memoryd.running("run") as process:
        wait_for_event(process, "ready")
        _wait_until(lambda: _count(memoryd.state_dir, "status = 'indexed'") > 0)
        os.kill(process.pid, signal.SIGKILL)
        process.wait(timeout=20)
    memoryd.once("--only", "backfill")
    undisturbed = Memoryd(codex_home=home.path, state_dir=tmp_path / "undisturbed")
    undisturbed.once("--only", "backfill")

    assert _rows(memoryd.state_dir) == _rows(undisturbed.state_dir)


def test_what_a_killed_service_held_is_taken_over_at_once(home: CodexHome, memoryd: Memoryd) -> None:
    home.session().user(WISH)
    with memoryd.running("run") as process:
        wait_for_event(process, "ready")
        _wait_until(lambda: _count(memoryd.state_dir, "status = 'indexed'") == 1)
        process.kill()
        process.wait(timeout=20)
    # As if it had died while it scanned: its claim is in the row, with most of its lease left.
    connection = sqlite3.connect(memoryd.state_dir / "state.sqlite")
    (owner,) = connection.execute("SELECT process_uuid FROM processes").fetchone()
    connection.execute(
        "UPDATE backfill SET owner_process = ?, owner_worker = 'backfill', ownership_token = 'held',"
        " lease_boot_id = (SELECT boot_id FROM processes), lease_until_boot_ms = 1 << 50, renewed_boot_ms = 1 << 49",
        (owner,),
    )
    connection.commit()
    connection.close()
    answer = memoryd.once()

    assert answer["backfill"]["unchanged"] == 1
    assert memoryd("status", "--json").json["processes"] == []


def test_ctrl_c_during_once_is_one_plain_sentence(home: CodexHome, memoryd: Memoryd) -> None:
    for number in range(400):
        home.session(hours_ago=48 + number).command("make", output="y" * 200_000)
    with memoryd.running("once") as process:
        _wait_until(lambda: _count(memoryd.state_dir, "1") > 0)
        process.send_signal(signal.SIGINT)
        stdout, stderr = process.communicate(timeout=20)

        assert process.returncode == 130
        assert "Traceback" not in stderr
        assert "interrupted" in stderr
        assert stdout == ""


def test_logs_of_a_run_are_in_the_state_folder_as_json_lines(memoryd: Memoryd) -> None:
    with memoryd.running("run") as process:
        wait_for_event(process, "ready")
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=20)
    lines = (memoryd.state_dir / "logs" / "memoryd.log").read_text().splitlines()

    assert [json.loads(line)["event"] for line in lines][-1] == "stopped"


def test_a_locked_database_ends_in_a_plain_error_and_nothing_changes(home: CodexHome, memoryd: Memoryd) -> None:
    home.session().user(WISH)
    memoryd.once()
    holder = sqlite3.connect(memoryd.state_dir / "state.sqlite", isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    try:
        ended = memoryd("once", "--json")
    finally:
        holder.close()

    assert ended.code != 0
    assert "locked" in ended.json["error"]["message"]
    assert ended.json["error"]["hint"]


def _count(state_dir: Path, where: str) -> int:
    database = state_dir / "state.sqlite"
    if not database.exists():
        return 0
    connection = sqlite3.connect(f"file:{database}?mode=ro", uri=True, timeout=5)
    try:
        (count,) = connection.execute(f"SELECT count(*) FROM rollout_files WHERE {where}").fetchone()
    except sqlite3.OperationalError:
        return 0
    finally:
        connection.close()
    return int(count)


def test_a_signal_that_comes_twice_at_once_is_one_signal(memoryd: Memoryd) -> None:
    with memoryd.running("run") as process:
        wait_for_event(process, "ready")
        process.send_signal(signal.SIGTERM)
        process.send_signal(signal.SIGHUP)
        process.communicate(timeout=20)

        assert process.returncode == 0


def test_ctrl_c_while_it_starts_is_quiet(memoryd: Memoryd) -> None:
    for delay_seconds in (0.1, 0.3):
        with memoryd.running("status") as process:
            time.sleep(delay_seconds)
            process.send_signal(signal.SIGINT)
            _, stderr = process.communicate(timeout=20)

            assert "Traceback" not in stderr
