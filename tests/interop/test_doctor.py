"""`memoryd doctor` beside the real binary: what is meant is no warning, what drifts is named, nothing is touched."""

import hashlib
import os
import shutil
import sqlite3
import time
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import attrs
import pytest

from state.ids import ThreadId
from tests.fakes.command import NOW, Memoryd
from tests.interop.codex import state_database
from tests.interop.genuine_home import GenuineHome
from tests.interop.varieties import Variety

pytestmark = pytest.mark.interop

HOUR_SECONDS = 3_600


@attrs.frozen(kw_only=True)
class Case:
    """A home of its own that rests since an hour, and memoryd with an index of it."""

    home: GenuineHome
    memoryd: Memoryd

    def doctor(self, *options: str) -> Any:
        """The report, whatever the exit code."""
        return self.memoryd("doctor", "--json", *options).json

    def wrong(self, *options: str) -> dict[str, list[str]]:
        """What is wrong, by code: the subjects."""
        found: dict[str, list[str]] = {}
        for one in self.doctor(*options)["findings"]:
            if one["severity"] in ("warning", "error"):
                found.setdefault(one["code"], []).append(one["subject"])
        return found

    def edit(self, sql: str, *parameters: object) -> None:
        """Change Codex's own database, as a defect of the real binary does; no Codex is at work."""
        with closing(sqlite3.connect(state_database(self.home.path))) as database:
            database.execute(sql, parameters)
            database.commit()


@pytest.fixture
def case(codex_home: GenuineHome, tmp_path: Path) -> Case:
    """A copy of the genuine home, indexed."""
    home = GenuineHome(codex=attrs.evolve(codex_home.codex, home=tmp_path / "codex-home"), threads=codex_home.threads)
    shutil.copytree(codex_home.path, home.path)
    with closing(sqlite3.connect(state_database(home.path))) as database:
        database.execute(
            "UPDATE threads SET rollout_path = replace(rollout_path, ?, ?)", (str(codex_home.path), str(home.path))
        )
        database.commit()
    past = time.time() - HOUR_SECONDS
    for path in home.path.glob("*sessions/**/rollout-*.jsonl"):
        os.utime(path, (past, past))
    memoryd = Memoryd(codex_home=home.path, state_dir=tmp_path / "state", person=home.codex.person)
    memoryd.once()
    return Case(home=home, memoryd=memoryd)


def _snapshot(folder: Path) -> Mapping[str, tuple[int, int, str]]:
    def entry(path: Path) -> tuple[int, int, str]:
        status = path.lstat()
        digest = hashlib.blake2b(path.read_bytes()).hexdigest() if path.is_file() else ""
        return status.st_mode, status.st_mtime_ns, digest

    return {str(path.relative_to(folder)): entry(path) for path in sorted(folder.rglob("*"))}


def test_genuine_home_is_in_order_and_stays_as_it_is_to_the_byte(
    codex_home: GenuineHome, tmp_path_factory: pytest.TempPathFactory
) -> None:
    memoryd = Memoryd(
        codex_home=codex_home.path, state_dir=tmp_path_factory.mktemp("doctor"), person=codex_home.codex.person
    )
    memoryd.once()
    before = _snapshot(codex_home.path)

    ended = memoryd("doctor", "--json", "--deep", "--repair")

    assert [one for one in ended.json["findings"] if one["severity"] not in ("ok", "note")] == []
    assert ended.code == 0
    assert ended.json["codex_threads"] == ended.json["folded"] == len(codex_home.threads)
    assert _snapshot(codex_home.path) == before


def test_every_thread_of_a_home_at_rest_is_compared_and_no_difference_is_a_drift(case: Case) -> None:
    report = case.doctor()

    assert report["ok"], [one["found"] for one in report["findings"] if one["severity"] not in ("ok", "note")]
    assert "codex_in_use" not in report["counts"]
    meant = {one["subject"] for one in report["findings"] if one["code"] == "codex_meant"}
    # Recency may be the same by chance: Codex notes when the last turn began, memoryd when the file was written last.
    assert meant | {"recency_at"} == {"name", "title", "preview", "updated_at", "recency_at"}
    (compared,) = [one for one in report["findings"] if one["code"] == "codex_compared"]
    assert compared["found"].startswith(f"{len(case.home.threads)} threads")


def test_what_the_real_binary_archives_and_names_is_named_and_repaired(case: Case) -> None:
    home, work = case.home, case.home.codex.person
    home.codex.archive(home.threads[Variety.PLAIN], work)
    with home.codex.app_server(work) as server:
        server.initialize()
        server.request("thread/name/set", {"threadId": home.threads[Variety.UNICODE], "name": "Renamed"})

    drifts = case.wrong()
    assert set(drifts) == {"rollout_not_indexed", "rollout_gone", "name_differs"}
    assert home.threads[Variety.PLAIN] in drifts["rollout_gone"][0]
    assert drifts["name_differs"] == [home.threads[Variety.UNICODE]]

    report = case.doctor("--repair")
    assert report["repaired"] == 3
    assert report["ok"], report["findings"]


def test_what_the_real_binary_deletes_is_named_and_repaired(case: Case) -> None:
    thread = case.home.threads[Variety.GIT]
    with case.home.codex.app_server(case.home.codex.person) as server:
        server.initialize()
        server.request("thread/delete", {"threadId": thread})

    assert set(case.wrong()) == {"rollout_gone"}
    assert case.doctor("--repair")["ok"]


@pytest.mark.parametrize(
    ("sql", "code"),
    [
        ("UPDATE threads SET rollout_path = (SELECT rollout_path FROM threads WHERE id <> ? LIMIT 1) WHERE id = ?",
         "codex_row_foreign_file"),
        ("UPDATE threads SET rollout_path = rollout_path || ? || '.gone' WHERE id = ?", "codex_row_missing_file"),
        ("UPDATE threads SET title = '', preview = '', source = 'unknown', tokens_used = 0 WHERE ? <> '' AND id = ?",
         "codex_row_emptied"),
        ("UPDATE threads SET cwd = '/nowhere/' || ? WHERE id = ?", "codex_row_differs"),
        ("UPDATE threads SET archived = 1, archived_at = 5 WHERE ? <> '' AND id = ?", "codex_row_differs"),
        ("UPDATE threads SET memory_mode = 'disabled' WHERE ? <> '' AND id = ?", "codex_row_differs"),
        ("UPDATE threads SET tokens_used = 7 WHERE ? <> '' AND id = ?", "codex_row_differs"),
        ("UPDATE threads SET source = 'mcp' WHERE ? <> '' AND id = ?", "codex_row_differs"),
        ("DELETE FROM threads WHERE ? <> '' AND id = ?", "codex_row_absent"),
    ],
    ids=["foreign", "missing", "emptied", "cwd", "archived", "memory-mode", "tokens", "source", "absent"],
)  # fmt: skip
def test_defect_of_codexs_row_is_named_for_its_thread_and_nothing_is_written_there(
    case: Case, sql: str, code: str
) -> None:
    thread: ThreadId = case.home.threads[Variety.PLAIN]
    case.edit(sql, thread, thread)
    before = _snapshot(case.home.path)

    report = case.doctor("--repair")

    wrong = [one for one in report["findings"] if one["severity"] == "warning"]
    assert [(one["code"], one["subject"]) for one in wrong] == [(code, thread)]
    assert wrong[0]["repair"]
    assert not wrong[0]["can_repair"]
    assert _snapshot(case.home.path) == before


def test_column_of_ours_that_was_changed_is_laid_to_the_index_and_not_to_codex(case: Case) -> None:
    with closing(sqlite3.connect(case.memoryd.state_dir / "state.sqlite")) as database:
        database.execute("UPDATE threads SET cwd = '/x' WHERE id = ?", (case.home.threads[Variety.PLAIN],))
        database.commit()

    assert set(case.wrong()) == {"row_differs"}
    assert case.doctor("--repair")["ok"]


def test_doctor_beside_a_codex_at_work_leaves_it_alone(case: Case) -> None:
    with case.home.codex.app_server(case.home.codex.person) as server:
        server.initialize()
        before = set(case.home.path.glob("*.sqlite*"))
        assert case.memoryd("doctor", "--json").json["codex_threads"] == len(case.home.threads)
        assert set(case.home.path.glob("*.sqlite*")) == before
        listed = server.request("thread/list", {"limit": 5, "modelProviders": []})
    assert listed["data"]


def test_second_doctor_after_a_whole_run_has_nothing_to_repair(case: Case) -> None:
    case.memoryd("once", *NOW)
    report = case.doctor("--repair")

    assert report["actions"] == []
    assert report["repaired"] == 0
