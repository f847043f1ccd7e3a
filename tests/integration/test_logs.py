"""`memoryd logs` beside a running service and after it."""

import json
import signal
import sqlite3
from contextlib import closing
from pathlib import Path

import attrs

from tests.fakes.codex_home import CodexHome
from tests.fakes.command import Memoryd, wait_for_event


def test_what_a_service_says_is_stored_to_its_last_word(memoryd: Memoryd) -> None:
    with memoryd.running("run") as process:
        wait_for_event(process, "ready")
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=20)
    found = memoryd.ask("logs")["logs"]

    assert {entry["message"].split()[0] for entry in found} >= {"ready", "stopping", "stopped"}
    assert found[-1]["message"] == "stopped"
    assert len({entry["process_uuid"] for entry in found}) == 1
    assert found[0]["process_uuid"].startswith(f"pid:{process.pid}:")
    assert {entry["file"] for entry in found} >= {"supervisor.py", "stopping.py"}
    assert [entry["id"] for entry in found] == list(range(1, len(found) + 1))


def test_logs_are_read_and_followed_while_the_service_runs(home: CodexHome, memoryd: Memoryd) -> None:
    with memoryd.running("run", "--set", "extraction.min_rollout_idle_hours=0") as process:
        wait_for_event(process, "ready")
        with memoryd.running("logs", "--follow", "--json") as follower:
            assert follower.stdout is not None
            assert json.loads(follower.stdout.readline())["message"].startswith("ready ")
            home.session().user("Always use pnpm instead of npm in this project.")
            for line in follower.stdout:
                if json.loads(line)["message"].startswith("published memories"):
                    break
            else:
                raise AssertionError("the follower ended")
            follower.send_signal(signal.SIGINT)
            _, stderr = follower.communicate(timeout=20)
            assert "Traceback" not in stderr
        assert "ready" in memoryd("logs", "--limit", "1", "--search", "ready").stdout


def test_follower_whose_reader_left_ends_although_nothing_more_is_said(home: CodexHome, memoryd: Memoryd) -> None:
    home.session().user("Always use pnpm instead of npm in this project.")
    memoryd.once()
    with memoryd.running("logs", "--follow") as follower:
        assert follower.stdout is not None
        assert follower.stdout.readline()
        follower.stdout.close()
        assert follower.wait(timeout=20) == 0


def test_once_stores_what_it_does_not_show(home: CodexHome, memoryd: Memoryd) -> None:
    home.session().user("Always use pnpm instead of npm in this project.")
    memoryd.once()
    messages = [entry["message"] for entry in memoryd.ask("logs", "--module", "consolidation")["logs"]]

    assert any(message.startswith("published memories") for message in messages)


def test_filters_narrow_and_their_mistakes_are_named(home: CodexHome, memoryd: Memoryd) -> None:
    home.session().user("Always use pnpm instead of npm in this project.")
    memoryd.once()

    assert memoryd.ask("logs")["logs"]
    assert memoryd.ask("logs", "--level", "error")["logs"] == []
    assert memoryd.ask("logs", "--search", "nobody said this")["logs"] == []
    assert memoryd.ask("logs", "--thread", "0199a3f1-0000-7000-8000-00000000abcd")["logs"] == []
    assert memoryd.ask("logs", "--since", "1h")["logs"]
    assert memoryd.ask("logs", "--since", "2999-01-01")["logs"] == []
    assert len(memoryd.ask("logs", "--limit", "1")["logs"]) == 1
    assert memoryd("logs", "--level", "error").stderr == "no entry is like that\n"
    for wrong in (("--since", "yesterday"), ("--since", f"{10**400}d"), ("--limit", "0"), ("--level", "loud")):
        ended = memoryd("logs", *wrong)

        assert ended.code == 2, wrong
        assert ended.stderr.startswith("memoryd: ")


def test_nothing_logged_yet_is_said_and_leaves_no_file(memoryd: Memoryd) -> None:
    ended = memoryd("logs")

    assert (ended.code, ended.stdout) == (0, "")
    assert "nothing is logged yet" in ended.stderr
    assert memoryd.ask("logs") == {"logs": []}
    assert not (memoryd.state_dir / "logs.sqlite").exists()


def test_damaged_logs_are_moved_aside_alone(home: CodexHome, memoryd: Memoryd) -> None:
    home.session().user("Always use pnpm instead of npm in this project.")
    memoryd.once()
    database = memoryd.state_dir / "logs.sqlite"
    database.write_bytes(b"no database at all " * 500)
    ended = memoryd("logs", "--json")
    assert ended.code == 3
    assert "log database" in ended.json["error"]["message"]
    assert "begins it anew" in ended.json["error"]["hint"]

    assert memoryd.once()["backfill"]["unchanged"] == 1
    (moved,) = (memoryd.state_dir / "quarantine").iterdir()
    assert [path.name for path in moved.iterdir()] == ["logs.sqlite"]
    assert "begun anew" in memoryd.ask("logs", "--level", "warning")["logs"][0]["message"]


def test_logs_that_cannot_be_written_cost_a_warning(home: CodexHome, memoryd: Memoryd) -> None:
    home.session().user("Always use pnpm instead of npm in this project.")
    memoryd.state_dir.mkdir()
    (memoryd.state_dir / "logs.sqlite").mkdir()
    ended = memoryd("once", "--json", "--set", "extraction.min_rollout_idle_hours=0")

    assert ended.code == 0
    assert ended.json["consolidation"]["published"] == 1
    assert ended.stderr.count("log entries cannot be stored") == 1


def test_locked_logs_delay_nothing(home: CodexHome, memoryd: Memoryd, tmp_path: Path) -> None:
    import apsw

    home.session().user("Always use pnpm instead of npm in this project.")
    memoryd.once("--only", "backfill")
    holder = apsw.Connection(str(memoryd.state_dir / "logs.sqlite"))
    holder.execute("BEGIN IMMEDIATE")
    try:
        assert memoryd.once()["consolidation"]["published"] == 1
    finally:
        holder.execute("ROLLBACK")
        holder.close()


def test_no_secret_of_a_session_reaches_the_logs(home: CodexHome, memoryd: Memoryd) -> None:
    secret = "gh" + "p_" + "a1B2c3D4" * 5
    rollout = home.session(cwd=f"/home/ann/{secret}")
    rollout.user(f"Always push with the token {secret} in this project.")
    memoryd.once("--set", "logs.level=debug")

    for path in memoryd.state_dir.glob("logs*"):
        if path.is_file():
            assert secret.encode() not in path.read_bytes(), path


def test_state_of_another_home_is_refused_and_its_logs_are_not_opened(memoryd: Memoryd, tmp_path: Path) -> None:
    memoryd.once()
    database = memoryd.state_dir / "logs.sqlite"
    before = _openings(database)
    other = tmp_path / "other"
    (other / "sessions").mkdir(parents=True)
    for command in ("once", "run"):
        ended = attrs.evolve(memoryd, codex_home=other)(command)

        assert "belongs to the Codex home" in ended.stderr, command
        assert _openings(database) == before, command


def _openings(database: Path) -> list[tuple[str]]:
    """Who has ever opened the log database for writing."""
    with closing(sqlite3.connect(database)) as connection:
        return connection.execute("SELECT process_uuid FROM processes ORDER BY process_uuid").fetchall()
