"""Each check finds its violation where one is planted, and none where none is."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import apsw
import pytest

from chaos.fleet import checks
from chaos.fleet.place import Place
from tests.fakes.codex_home import CodexHome
from tests.fakes.command import Memoryd

WISH = "Always use pnpm instead of npm in this project."


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run that went well."""
    root = tmp_path_factory.mktemp("run")
    place = Place(root=root)
    place.make()
    home = CodexHome(place.codex_home)
    for cwd in ("/home/ann/shop", "/home/ann/blog"):
        home.session(cwd=cwd).user(WISH)
    for state_dir in (place.state_dir, place.clean_state_dir):
        Memoryd(codex_home=place.codex_home, state_dir=state_dir).once()
    return root


@pytest.fixture
def place(sound: Path, tmp_path: Path) -> Place:
    """A copy of it, to be harmed."""
    shutil.copytree(sound, tmp_path / "run", symlinks=True)
    return Place(root=tmp_path / "run")


def every_violation(place: Place) -> list[str]:
    """What all checks say."""
    database = place.state_dir / "state.sqlite"
    return [
        *checks.check_rows(database),
        *checks.check_acknowledgements(place),
        *checks.check_files(place.state_dir),
        *checks.compare(database, place.clean_state_dir / "state.sqlite", dead=set()),
        *checks.unsettled(database),
    ]


def told(place: Place, *lines: dict[str, Any]) -> None:
    """Let a process have been told these."""
    empty = {"token": "t", "thread": None, "scope": None, "fencing_number": None, "generation": None}
    with open(place.acknowledgements / "process-1.jsonl", "a", encoding="utf-8") as file:
        file.writelines(json.dumps({**empty, **line}) + "\n" for line in lines)


def edit(place: Place, sql: str) -> None:
    """Change the rows behind everybody's back."""
    connection = apsw.Connection(str(place.state_dir / "state.sqlite"))
    connection.config(apsw.SQLITE_DBCONFIG_ENABLE_FKEY, 0)
    connection.pragma("ignore_check_constraints", True)
    connection.execute(sql)
    connection.close()


def a_scope(place: Place) -> str:
    """A scope that was published."""
    with checks.reading(place.state_dir / "state.sqlite") as connection:
        return str(next(iter(connection.execute("SELECT scope_kind || ':' || scope_key FROM scopes")))[0])


def test_run_that_went_well_violates_nothing(place: Place) -> None:
    told(
        place,
        {"reply": "ConsolidationClaimed", "scope": a_scope(place), "fencing_number": 1},
        {"reply": "ConsolidationPublished", "generation": 1},
        {"reply": "NotOwner"},
    )

    assert every_violation(place) == []


def _one(sql: str) -> Callable[[Place], None]:
    return lambda place: edit(place, sql)


def _unlink(place: Place) -> None:
    next((place.state_dir / "memories" / "scopes").iterdir()).unlink()


def _rewrite(place: Place) -> None:
    next((place.state_dir / "memories").glob("scopes/*/MEMORY.md")).write_text("something else")


def _remove(place: Place) -> None:
    next((place.state_dir / "memories").glob("scopes/*/MEMORY.md")).unlink()


ANY_JOB = "WHERE thread_id = (SELECT min(thread_id) FROM extraction_jobs)"


@pytest.mark.parametrize(
    ("harm", "words"),
    [
        (_one(f"UPDATE extraction_jobs SET ownership_token = 'x' {ANY_JOB}"), "still held"),
        (_one(f"UPDATE extraction_jobs SET status = 'running' {ANY_JOB}"), "stuck"),
        (_one("UPDATE scopes SET ownership_token = 'x' WHERE scope_kind = 'home'"), "scopes are still held"),
        (_one("UPDATE backfill SET ownership_token = 'x'"), "scans are still held"),
        (_one(f"UPDATE extraction_jobs SET status = 'dead' {ANY_JOB}"), "without a reason"),
        (_one("DELETE FROM threads"), "break a reference"),
        (_one("UPDATE threads SET title = 'x'"), "2 threads differ"),
        (_one("DELETE FROM memories"), "2 memories differ"),
        (
            _one("UPDATE scopes SET published_memories = 9 WHERE scope_key = '/home/ann/shop'"),
            "1 published projects differ",
        ),
        (_one("UPDATE rollout_files SET offset_bytes = 1"), "2 files differ"),
        (_one("UPDATE rollout_files SET status = 'pending'"), "files to read"),
        (_one("UPDATE scopes SET inputs_mark = 99 WHERE scope_kind = 'home'"), "scopes to consolidate"),
        (_unlink, "no link names"),
        (_rewrite, "is not what the row says"),
        (_remove, "is missing"),
    ],
)
def test_planted_violation_is_found(place: Place, harm: Callable[[Place], None], words: str) -> None:
    harm(place)

    assert any(words in violation for violation in every_violation(place)), every_violation(place)


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        ([{"reply": "ExtractionFinished"}, {"reply": "RetryScheduled"}], "2 ends were acknowledged"),
        (
            [
                {"reply": "BackfillClaimed", "fencing_number": 1, "token": "a"},
                {"reply": "BackfillClaimed", "fencing_number": 1, "token": "b"},
            ],
            "2 tokens were granted",
        ),
        ([{"reply": "BackfillClaimed", "fencing_number": 999}], "the row says"),
        (
            [{"reply": "ExtractionClaimed", "thread": "gone", "fencing_number": 0}, {"reply": "ExtractionFinished"}],
            "knows nothing of it",
        ),
        (
            [
                {"reply": "ConsolidationClaimed", "scope": "cwd:/x", "fencing_number": 0, "token": "a"},
                {"reply": "ConsolidationPublished", "generation": 4, "token": "a"},
            ],
            "generation 4 was acknowledged",
        ),
    ],
)
def test_planted_acknowledgement_is_found(place: Place, lines: list[dict[str, Any]], words: str) -> None:
    told(place, *lines)

    assert any(words in violation for violation in checks.check_acknowledgements(place))


def test_line_that_a_kill_has_cut_was_never_told(place: Place) -> None:
    told(place, {"reply": "ExtractionFinished"})
    with open(place.acknowledgements / "process-1.jsonl", "ab") as file:
        file.write(b'{"reply": "Retry')

    assert len(checks.acknowledged(place)["process-1"]) == 1


def test_session_that_kills_its_worker_must_end_as_a_dead_letter(place: Place) -> None:
    database = place.state_dir / "state.sqlite"
    with checks.reading(database) as connection:
        (thread,) = next(iter(connection.execute("SELECT min(thread_id) FROM extraction_jobs")))
    assert len(checks.check_poison(database, {thread, "never read"})) == 2

    edit(place, f"UPDATE extraction_jobs SET status = 'dead', attempts = 4, reason = 'x' {ANY_JOB}")
    assert len(checks.check_poison(database, {thread})) == 1
    edit(place, f"UPDATE extraction_jobs SET attempts = 6, given_back = 1 {ANY_JOB}")
    assert checks.check_poison(database, {thread}) == []


def test_project_of_a_dead_letter_is_left_out_and_the_others_are_compared(place: Place) -> None:
    database, clean = place.state_dir / "state.sqlite", place.clean_state_dir / "state.sqlite"
    with checks.reading(database) as connection:
        (dead,) = next(iter(connection.execute("SELECT thread_id FROM extraction_jobs WHERE scope_key LIKE '%shop'")))
    edit(place, "UPDATE scopes SET published_memories = 9 WHERE scope_key = '/home/ann/shop'")
    assert checks.compare(database, clean, dead={dead}) == []

    edit(place, "UPDATE scopes SET published_memories = 9 WHERE scope_key = '/home/ann/blog'")
    assert len(checks.compare(database, clean, dead={dead})) == 1
