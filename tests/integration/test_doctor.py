"""`memoryd doctor` as a person runs it: every drift is named, and gone after --repair; nothing else is touched."""

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
import uuid
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import attrs
import pytest

from tests.fakes.codex_home import CodexHome
from tests.fakes.command import ROOT, Memoryd, wait_for_event

WISH = "Please add a login page to the shop. Always use pnpm instead of npm in this project."

Report = dict[str, Any]


def _report(memoryd: Memoryd, *options: str) -> Report:
    ended = memoryd("doctor", "--json", *options)
    assert "Traceback" not in ended.stderr, ended.stderr
    report: Report = ended.json
    assert "error" not in report, report
    assert ended.code == (0 if report["ok"] else 1)
    return report


def _wrong(report: Report) -> set[str]:
    return {one["code"] for one in report["findings"] if one["severity"] in ("warning", "error")}


def _edit(memoryd: Memoryd, sql: str, *parameters: object) -> None:
    with closing(sqlite3.connect(memoryd.state_dir / "state.sqlite")) as database:
        database.execute("PRAGMA foreign_keys = ON")
        changed = database.execute(sql, parameters).rowcount
        assert changed > 0, "nothing was planted"
        database.commit()


@pytest.fixture
def indexed(home: CodexHome, memoryd: Memoryd) -> Memoryd:
    """memoryd with three sessions indexed and remembered."""
    for number in range(3):
        home.session(hours_ago=48 + number).user(f"{WISH} This is task {number}.")
    memoryd.once()
    return memoryd


def test_an_empty_home_is_in_order(memoryd: Memoryd) -> None:
    ended = memoryd("doctor")

    assert ended.code == 0
    assert ended.stdout.startswith("everything is in order: 0 rollouts")
    assert not memoryd.state_dir.exists()


def test_a_home_that_was_never_indexed_is_a_note_and_is_indexed_when_told(home: CodexHome, memoryd: Memoryd) -> None:
    home.session().user(WISH)
    report = _report(memoryd)

    assert report["ok"]
    assert report["counts"]["nothing_indexed"] == 1
    assert not memoryd.state_dir.exists()
    assert _report(memoryd, "--repair")["indexed"] == 1


def test_a_missing_home_is_named(tmp_path: Path) -> None:
    report = _report(Memoryd(codex_home=tmp_path / "nowhere", state_dir=tmp_path / "state"))

    assert _wrong(report) == {"home_missing"}


def test_a_healthy_home_is_in_order_and_nothing_is_written(home: CodexHome, indexed: Memoryd) -> None:
    before = home.digest(), _digest(indexed.state_dir)
    report = _report(indexed, "--deep", "--repair")

    assert _wrong(report) == set()
    assert {one["severity"] for one in report["findings"]} == {"ok"}
    assert report["actions"] == []
    assert (report["rollouts"], report["indexed"], report["folded"]) == (3, 3, 3)
    assert (home.digest(), _digest(indexed.state_dir)) == before


def _digest(folder: Path) -> dict[str, bytes]:
    return {
        str(path): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not path.name.endswith(("-shm", "-wal"))
    }


FIRST = "(SELECT min(id) FROM threads)"


def _sql(sql: str) -> Callable[[CodexHome, Memoryd], None]:
    def plant(_: CodexHome, memoryd: Memoryd) -> None:
        _edit(memoryd, sql)

    return plant


def _new_file(home: CodexHome, memoryd: Memoryd) -> None:
    home.session(hours_ago=12).user(WISH)


def _rollouts(home: CodexHome) -> list[Path]:
    return sorted(home.path.glob("sessions/**/*.jsonl"))


def _touched(home: CodexHome, memoryd: Memoryd) -> None:
    os.utime(_rollouts(home)[0], (1_700_000_000, 1_700_000_000))


def _grown(home: CodexHome, memoryd: Memoryd) -> None:
    with _rollouts(home)[0].open("ab") as file:
        file.write(b"{}\n")


def _moved(home: CodexHome, memoryd: Memoryd) -> None:
    path = _rollouts(home)[0]
    archive = home.path / "archived_sessions"
    archive.mkdir()
    path.rename(archive / path.name)


def _removed(home: CodexHome, memoryd: Memoryd) -> None:
    _rollouts(home)[0].unlink()


def _named(home: CodexHome, memoryd: Memoryd) -> None:
    home.name_thread(_rollouts(home)[0].stem[-36:], "Shop login")


def _loose(home: CodexHome, memoryd: Memoryd) -> None:
    memoryd.state_dir.chmod(0o755)
    (memoryd.state_dir / "state.sqlite").chmod(0o644)


def _dead(home: CodexHome, memoryd: Memoryd) -> None:
    (memoryd.state_dir / "processes" / "gone.lock").touch(mode=0o600)
    _edit(memoryd, "INSERT INTO processes (process_uuid, boot_id, pid, started_at_ms) VALUES ('gone', 'b', 99, 5)")
    _edit(
        memoryd,
        "UPDATE backfill SET owner_process = 'gone', owner_worker = 'backfill', ownership_token = 'held',"
        " lease_boot_id = 'b', lease_until_boot_ms = 1 << 50, renewed_boot_ms = 1 << 49",
    )


def _relink(home: CodexHome, memoryd: Memoryd) -> None:
    link = memoryd.state_dir / "memories" / "current"
    link.unlink()
    link.symlink_to("elsewhere")


def _unlink(home: CodexHome, memoryd: Memoryd) -> None:
    (memoryd.state_dir / "memories" / "MEMORY.md").unlink()


def _lost_file(home: CodexHome, memoryd: Memoryd) -> None:
    next(memoryd.state_dir.glob("memories/scopes/*/MEMORY.md")).unlink()


def _lost_generation(home: CodexHome, memoryd: Memoryd) -> None:
    (scope,) = (memoryd.state_dir / "memories" / "scopes").iterdir()
    shutil.rmtree(scope.resolve())


@pytest.mark.parametrize(
    ("plant", "codes"),
    [
        (_new_file, {"rollout_not_indexed"}),
        (_touched, {"rollout_changed"}),
        (_grown, {"rollout_changed"}),
        (_moved, {"rollout_not_indexed", "rollout_gone"}),
        (_removed, {"rollout_gone"}),
        (_named, {"name_differs"}),
        (_sql(f"DELETE FROM rollout_files WHERE thread_id = {FIRST}"), {"rollout_not_indexed"}),
        (_sql(f"DELETE FROM threads WHERE id = {FIRST}"), {"thread_missing"}),
        (_sql(f"UPDATE threads SET rollout_path = 'sessions/x' WHERE id = {FIRST}"),
         {"thread_elsewhere", "row_differs"}),
        (_sql(f"UPDATE threads SET title = 'x', tokens_used = 9, git_branch = 'b' WHERE id = {FIRST}"),
         {"row_differs"}),
        (_sql(f"UPDATE threads SET archived_at_ms = 5 WHERE id = {FIRST}"), {"row_differs"}),
        (_sql(f"UPDATE threads SET content_digest = 'x' WHERE id = {FIRST}"), {"row_differs"}),
        (_sql(f"DELETE FROM extraction_jobs WHERE thread_id = {FIRST}"), {"job_missing"}),
        (_sql("UPDATE backfill SET listed_at_ms = NULL"), {"never_listed"}),
        (_sql(f"UPDATE rollout_files SET status = 'pending' WHERE thread_id = {FIRST}"), {"rollout_pending"}),
        (_sql(f"UPDATE rollout_files SET status = 'vanished' WHERE thread_id = {FIRST}"), {"rollout_back"}),
        (_sql(f"UPDATE rollout_files SET status = 'failed', reason = 'no' WHERE thread_id = {FIRST}"),
         {"rollout_failed"}),
        (_sql(f"UPDATE rollout_files SET status = 'shadowed', reason = 'no' WHERE thread_id = {FIRST}"),
         {"thread_shadowed"}),
        (_loose, {"loose_permissions"}),
        (_dead, {"process_dead"}),
        (_relink, {"link_wrong"}),
        (_unlink, {"link_wrong"}),
        (_lost_generation, {"generation_lost"}),
        (_lost_file, {"generation_lost"}),
    ],
    ids=[
        "new-file", "touched", "grown", "moved", "removed", "named", "row-deleted", "thread-deleted",
        "thread-elsewhere", "columns", "archived", "digest", "job-deleted", "never-listed", "pending", "vanished",
        "failed", "shadowed", "loose", "dead-process", "wrong-link", "missing-link", "lost-generation", "lost-file",
    ],
)  # fmt: skip
def test_drift_is_named_with_its_repair_and_gone_after_it(
    home: CodexHome, indexed: Memoryd, plant: Callable[[CodexHome, Memoryd], None], codes: set[str]
) -> None:
    plant(home, indexed)
    before = home.digest()
    report = _report(indexed)

    assert _wrong(report) == codes
    assert all(one["repair"] and one["can_repair"] for one in report["findings"] if one["severity"] == "warning")
    repaired = _report(indexed, "--repair")
    assert _wrong(repaired) == set(), repaired["findings"]
    assert repaired["repaired"] >= len(codes)
    assert repaired["actions"]
    assert _report(indexed, "--repair")["actions"] == [], "a second repair has nothing to do"
    assert home.digest() == before


def test_a_thread_whose_file_is_neither_there_nor_known_is_kept_and_marked(home: CodexHome, indexed: Memoryd) -> None:
    _removed(home, indexed)
    _edit(indexed, "DELETE FROM rollout_files WHERE path NOT IN (SELECT max(path) FROM rollout_files)")
    lost = _report(indexed)
    repaired = _report(indexed, "--repair")

    assert lost["counts"]["thread_lost"] == 1
    assert repaired["ok"]
    assert repaired["counts"]["rollout_vanished"] == 1


def test_failed_and_given_up_jobs_are_named_with_their_reasons(home: CodexHome, indexed: Memoryd) -> None:
    _edit(
        indexed,
        f"UPDATE extraction_jobs SET status = CASE thread_id WHEN {FIRST} THEN 'dead' ELSE 'retry' END,"
        " reason = 'the model said no'",
    )
    report = _report(indexed)

    assert report["ok"]
    assert (report["counts"]["job_dead"], report["counts"]["job_failing"]) == (1, 2)
    assert all("the model said no" in one["found"] for one in report["findings"] if one["code"].startswith("job_"))


def test_damaged_logs_are_named_and_begun_anew(home: CodexHome, indexed: Memoryd) -> None:
    (indexed.state_dir / "logs.sqlite").write_bytes(b"garbage" * 1_000)

    assert _wrong(_report(indexed)) == {"logs_damaged"}
    indexed.once()
    assert _wrong(_report(indexed)) == set()


def test_an_edited_memory_is_a_note_and_is_not_overwritten(indexed: Memoryd) -> None:
    path = indexed.state_dir / "memories" / "current" / "MEMORY.md"
    path.write_text("mine")
    report = _report(indexed, "--repair")

    assert report["ok"]
    assert report["counts"]["generation_edited"] == 1
    assert path.read_text() == "mine"


def test_leftovers_are_removed_and_what_is_new_is_not(indexed: Memoryd) -> None:
    memories, processes = indexed.state_dir / "memories", indexed.state_dir / "processes"
    (scope,) = (path for path in (memories / "generations").iterdir() if path.name != "home")
    for name in ("99999998-aaaa", "99999999-bbbb"):
        (scope / name).mkdir(mode=0o700)
    for path in (scope / "99999998-aaaa", processes / f"{uuid.uuid4()}.lock"):
        path.touch(mode=0o600)
        os.utime(path, (1_700_000_000, 1_700_000_000))
    report = _report(indexed, "--repair")

    assert report["repaired"] == 2
    assert sorted(path.name for path in scope.iterdir())[-1] == "99999999-bbbb"
    assert list(processes.iterdir()) == []


def test_beside_a_running_service_what_it_will_do_is_a_note(home: CodexHome, indexed: Memoryd) -> None:
    with indexed.running("run", "--set", "backfill.rescan_seconds=3600") as process:
        wait_for_event(process, "ready")
        _wait_until(lambda: _report(indexed)["counts"].get("processes") == 1)
        _touched(home, indexed)
        report = _report(indexed)

        assert _wrong(report) == set()
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=20)


def test_a_killed_service_is_named_and_taken_over(indexed: Memoryd) -> None:
    with indexed.running("run") as process:
        wait_for_event(process, "ready")
        process.kill()
        process.wait(timeout=20)
    report = _report(indexed)

    assert _wrong(report) == {"process_dead"}
    assert str(process.pid) in next(one["found"] for one in report["findings"] if one["code"] == "process_dead")
    assert _report(indexed, "--repair")["ok"]


def test_a_repair_that_was_killed_costs_nothing(home: CodexHome, indexed: Memoryd) -> None:
    for number in range(60):
        home.session(hours_ago=60 + number).command("make", output="y" * 200_000)
    indexed.once("--only", "backfill")
    _edit(indexed, "UPDATE threads SET title = 'x'")
    for delay_seconds in (0.6, 0.8, 1.0):
        with indexed.running("doctor", "--repair") as process:
            time.sleep(delay_seconds)
            process.kill()
            process.wait(timeout=20)
    report = _report(indexed, "--repair", "--deep")

    assert report["ok"], report["findings"]
    assert report["indexed"] == 63


def test_a_damaged_state_database_is_named_and_left_as_it_is(indexed: Memoryd) -> None:
    database = indexed.state_dir / "state.sqlite"
    for suffix in ("-wal", "-shm"):
        database.with_name(database.name + suffix).unlink(missing_ok=True)
    database.write_bytes(b"garbage" * 1000)
    report = _report(indexed, "--repair")

    assert _wrong(report) == {"database_damaged"}
    (repair,) = [one["repair"] for one in report["findings"] if one["code"] == "database_damaged"]
    assert "sets it aside whole" in repair
    assert database.read_bytes() == b"garbage" * 1000
    assert not (indexed.state_dir / "quarantine").exists()
    indexed.once()
    report = _report(indexed)
    assert report["ok"]
    assert report["counts"]["quarantined"] == 1


def test_damage_deep_in_the_database_is_set_aside_by_the_start_after_the_repair(
    home: CodexHome, indexed: Memoryd
) -> None:
    database = indexed.state_dir / "state.sqlite"
    with closing(sqlite3.connect(database)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        (page,) = connection.execute(
            "SELECT rootpage FROM sqlite_schema WHERE name = 'threads_of_cwd_by_creation'"
        ).fetchone()
        (size,) = connection.execute("PRAGMA page_size").fetchone()
    with database.open("r+b") as file:
        file.seek((page - 1) * size)
        file.write(b"\xff" * size)
    report = _report(indexed)
    assert _wrong(report) == {"database_damaged"}

    report = _report(indexed, "--repair")
    assert report["counts"]["suspect"] == 1
    indexed.once()
    assert _report(indexed)["ok"]


def test_a_newer_schema_and_another_home_are_named(home: CodexHome, indexed: Memoryd, tmp_path: Path) -> None:
    other = CodexHome(path=tmp_path / "other")
    other.path.mkdir()
    foreign = attrs.evolve(indexed, codex_home=other.path)
    assert _wrong(_report(foreign, "--repair")) == {"state_unusable"}

    _edit(indexed, "UPDATE threads SET title = title")
    with closing(sqlite3.connect(indexed.state_dir / "state.sqlite")) as database:
        database.execute("PRAGMA user_version = 99")
    assert _wrong(_report(indexed, "--repair")) == {"schema"}


def test_a_state_that_is_locked_against_everybody_is_named(indexed: Memoryd) -> None:
    holder = subprocess.Popen(
        [sys.executable, "-c", "import fcntl, sys; f = open(sys.argv[1]); fcntl.flock(f, fcntl.LOCK_EX);"
         " print('held', flush=True); sys.stdin.read()", str(indexed.state_dir / "state.lock")],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT,
    )  # fmt: skip
    with holder:
        try:
            assert holder.stdout is not None
            assert holder.stdout.readline() == "held\n"
            report = _report(indexed)
        finally:
            holder.kill()

    assert _wrong(report) == {"database_unreadable"}
    (found,) = [one["found"] for one in report["findings"] if one["code"] == "database_unreadable"]
    assert str(holder.pid) in found


def test_a_wrong_configuration_is_a_finding_and_a_wrong_option_is_not(indexed: Memoryd, tmp_path: Path) -> None:
    file = tmp_path / "config.toml"
    file.write_text("[extraction]\nmin_rollout_idle_hour = 2\n")
    report = _report(indexed, "--config", str(file))

    assert _wrong(report) == {"configuration"}
    assert report["indexed"] == 3
    assert indexed("doctor", "--set", "nonsense").code == 2


def test_a_file_where_the_state_folder_should_be_is_named(home: CodexHome, memoryd: Memoryd) -> None:
    home.session().user(WISH)
    memoryd.state_dir.write_text("not a folder")

    assert _wrong(_report(memoryd, "--repair")) == {"state_folder"}
    assert memoryd.state_dir.read_text() == "not a folder"


def test_a_home_of_two_users_is_counted(home: CodexHome, indexed: Memoryd) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can give files away")
    os.chown(_rollouts(home)[0], 12345, 12345)
    report = _report(indexed)

    (found,) = [one["found"] for one in report["findings"] if one["code"] == "foreign_files"]
    assert found.startswith("1 files")
    assert report["ok"]


def test_what_may_not_be_read_is_named(home: CodexHome, indexed: Memoryd) -> None:
    unprivileged = _without_rights(indexed)
    path = _rollouts(home)[0]
    path.chmod(0)
    home.path.chmod(0o707)
    try:
        report = _report(unprivileged, "--repair")
    finally:
        path.chmod(0o600)
        home.path.chmod(0o700)

    assert {"unreadable", "home_writable_by_all"} <= _wrong(report)
    assert any(path.name in one["found"] for one in report["findings"] if one["code"] == "unreadable")


def test_a_read_only_home_is_enough(home: CodexHome, indexed: Memoryd) -> None:
    unprivileged = _without_rights(indexed)
    home.path.chmod(0o500)
    try:
        report = _report(unprivileged)
    finally:
        home.path.chmod(0o700)

    assert report["ok"]
    assert report["counts"]["home_read_only"] == 1


def _without_rights(memoryd: Memoryd) -> Memoryd:
    if os.geteuid() != 0:
        return memoryd
    if shutil.which("setpriv") is None:
        pytest.skip("root reads everything, and there is no setpriv to take that away")
    return attrs.evolve(memoryd, prefix=("setpriv", "--bounding-set=-dac_override,-dac_read_search"))


def test_a_home_that_is_deleted_while_it_is_looked_at_costs_nothing(home: CodexHome, indexed: Memoryd) -> None:
    for number in range(400):
        home.session(hours_ago=60 + number).command("make", output="y" * 20_000)
    indexed.once("--only", "backfill")
    with indexed.running("doctor", "--json", "--deep") as process:
        time.sleep(0.7)
        shutil.rmtree(home.path / "sessions")
        stdout, stderr = process.communicate(timeout=60)

        assert process.returncode in (0, 1), stderr
    assert "Traceback" not in stderr
    assert '"findings"' in stdout


def test_long_lists_are_cut_and_counted(home: CodexHome, memoryd: Memoryd) -> None:
    memoryd.once()
    for number in range(12):
        home.session(hours_ago=48 + number).user(WISH)
    ended = memoryd("doctor")

    assert ended.code == 1
    assert ended.stdout.count("has no row") == 5
    assert "and 7 more of this kind" in ended.stdout
    assert _report(memoryd)["counts"]["rollout_not_indexed"] == 12


def test_a_secret_in_a_drift_is_not_shown(home: CodexHome, indexed: Memoryd) -> None:
    secret = "gh" + "p_" + "a1B2c3D4" * 5
    _edit(indexed, f"UPDATE threads SET title = ? WHERE id = {FIRST}", f"push with {secret}")
    ended = indexed("doctor")

    assert "title is" in ended.stdout
    assert secret not in ended.stdout


def _garbage(path: Path) -> None:
    path.write_bytes(b"garbage" * 5000)


def _nothing(path: Path) -> None:
    path.write_bytes(b"")


def _a_folder(path: Path) -> None:
    path.mkdir()


def _cut(path: Path) -> None:
    with closing(sqlite3.connect(path)) as database:
        database.execute("CREATE TABLE threads (id TEXT PRIMARY KEY, rollout_path TEXT)")
        database.executemany("INSERT INTO threads VALUES (?, 'p')", [(str(n) * 50,) for n in range(900)])
        database.commit()
    os.truncate(path, 9000)


def _without_rights_to_it(path: Path) -> None:
    _garbage(path)
    path.chmod(0)


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (_garbage, "not a database"),
        (_nothing, "it is empty"),
        (_a_folder, "not a regular file"),
        (_cut, "damaged"),
        (_without_rights_to_it, "no permission"),
    ],
)
def test_a_bad_codex_database_is_a_finding_and_stays_as_it_is(
    home: CodexHome, indexed: Memoryd, spoil: Callable[[Path], None], words: str
) -> None:
    path = home.path / "state_5.sqlite"
    spoil(path)
    before = home.digest(), sorted(home.path.iterdir())
    report = _report(_without_rights(indexed), "--repair")

    assert _wrong(report) == {"codex_database_unusable"}
    (found,) = [one for one in report["findings"] if one["code"] == "codex_database_unusable"]
    assert words in found["found"]
    assert str(path) in found["subject"]
    assert not found["can_repair"]
    assert (home.digest(), sorted(home.path.iterdir())) == before


def test_an_older_codex_database_is_compared_by_what_it_has(home: CodexHome, indexed: Memoryd) -> None:
    first, second, third = _rollouts(home)
    with closing(sqlite3.connect(home.path / "state_4.sqlite")) as database:
        database.execute(
            "CREATE TABLE threads (id TEXT PRIMARY KEY, rollout_path TEXT, source TEXT, cwd TEXT, title TEXT,"
            " tokens_used INTEGER, has_user_event INTEGER)"
        )
        for path in (first, second):
            database.execute(
                "INSERT INTO threads VALUES (?, ?, 'cli', '/home/ann/shop', ?, 0, 1)",
                (path.stem[-36:], str(path), f"{WISH} This is task {'2' if path == first else '1'}."),
            )
        database.execute("INSERT INTO threads VALUES ('zzz', '/gone', 'cli', '/', 't', 0, 1)")
        database.commit()
    os.utime(third, (1_700_000_000, 1_700_000_000))
    indexed.once("--only", "backfill")
    report = _report(indexed)

    wrong = {one["code"]: one["subject"] for one in report["findings"] if one["severity"] == "warning"}
    assert wrong == {"codex_row_missing_file": "zzz", "codex_row_absent": third.stem[-36:]}


def test_a_codex_that_has_not_finished_its_backfill_may_know_less(home: CodexHome, indexed: Memoryd) -> None:
    with closing(sqlite3.connect(home.path / "state_5.sqlite")) as database:
        database.execute("CREATE TABLE threads (id TEXT PRIMARY KEY, rollout_path TEXT)")
        database.execute("CREATE TABLE backfill_state (id INTEGER, status TEXT)")
        database.execute("INSERT INTO backfill_state VALUES (1, 'running')")
        database.commit()
    report = _report(indexed)

    assert report["ok"]
    assert report["counts"]["codex_backfill"] == 1
    assert report["counts"]["only_ours"] == 3


def _wait_until(holds: Callable[[], bool], seconds_max: float = 20) -> None:
    give_up_at = time.monotonic() + seconds_max
    while not holds():
        assert time.monotonic() < give_up_at, "it never came true"
        time.sleep(0.1)
