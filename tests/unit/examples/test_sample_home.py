"""The sample home is well-formed, the same for the same seed, and in the past."""

import json
import subprocess
import sys
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from examples.sample_home import SampleHome, write_sample_home
from examples.sample_sessions import sample_sessions
from examples.story import Format, Session

CHECKOUT = Path(__file__).resolve().parents[3]
NOW_MS = 1_750_000_000_000
HOUR_MS = 3_600_000


@pytest.fixture
def sample(tmp_path: Path) -> SampleHome:
    return write_sample_home(tmp_path / "home", now_ms=NOW_MS)


def _lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def _sessions(sample: SampleHome) -> dict[str, Session]:
    return {session.key: session for session in sample_sessions(sample.secrets)}


def _files(home: Path) -> dict[str, bytes]:
    return {str(path.relative_to(home)): path.read_bytes() for path in home.rglob("*") if path.is_file()}


def test_every_line_is_an_object_with_a_time_a_type_and_a_payload(sample: SampleHome) -> None:
    for path in sample.paths.values():
        for line in _lines(path):
            assert {"timestamp", "type", "payload"} <= line.keys()


def test_first_line_has_the_id_that_the_file_name_ends_with(sample: SampleHome) -> None:
    for key, path in sample.paths.items():
        first = _lines(path)[0]

        assert first["type"] == "session_meta"
        assert first["payload"]["id"] == sample.thread_ids[key]
        assert path.name.endswith(f"-{sample.thread_ids[key]}.jsonl")


def test_both_formats_are_there_and_only_paginated_lines_have_ordinals(sample: SampleHome) -> None:
    formats = set()
    for key, session in _sessions(sample).items():
        lines = _lines(sample.paths[key])
        formats.add(session.format)
        ordinals = [line.get("ordinal") for line in lines]
        expected = list(range(len(lines))) if session.format is Format.PAGINATED else [None] * len(lines)

        assert lines[0]["payload"]["history_mode"] == session.format
        assert ordinals == expected

    assert formats == set(Format)


def test_times_go_up_to_the_end_of_the_session_and_never_past_now(sample: SampleHome) -> None:
    for key, session in _sessions(sample).items():
        times_ms = [datetime.fromisoformat(line["timestamp"]).timestamp() * 1_000 for line in _lines(sample.paths[key])]
        ended_at_ms = NOW_MS - round(session.ended_hours_ago * HOUR_MS)

        assert times_ms == sorted(times_ms)
        assert times_ms[-1] == ended_at_ms < NOW_MS
        assert sample.paths[key].stat().st_mtime_ns == ended_at_ms * 1_000_000


def test_same_seed_and_now_give_the_same_home(tmp_path: Path) -> None:
    for name in ("one", "other"):
        write_sample_home(tmp_path / name, now_ms=NOW_MS, seed=7, sessions=20)

    assert _files(tmp_path / "one") == _files(tmp_path / "other")


def test_another_seed_gives_other_ids_and_secrets(tmp_path: Path) -> None:
    one = write_sample_home(tmp_path / "one", now_ms=NOW_MS, seed=1)
    other = write_sample_home(tmp_path / "other", now_ms=NOW_MS, seed=2)

    assert set(one.thread_ids.values()).isdisjoint(other.thread_ids.values())
    assert set(one.secrets.all()).isdisjoint(other.secrets.all())


@pytest.mark.parametrize("sessions", [1, 11, 12, 13, 40])
def test_home_has_as_many_sessions_as_are_asked_for(sessions: int, tmp_path: Path) -> None:
    sample = write_sample_home(tmp_path / "home", now_ms=NOW_MS, sessions=sessions)

    assert len(set(sample.paths.values())) == sessions


def test_more_sessions_leave_the_sample_as_it_is(sample: SampleHome, tmp_path: Path) -> None:
    larger = write_sample_home(tmp_path / "larger", now_ms=NOW_MS, sessions=30)

    assert sample.thread_ids.items() <= larger.thread_ids.items()


def test_sample_has_one_archived_and_one_named_session(sample: SampleHome) -> None:
    archived = [key for key, path in sample.paths.items() if path.parent.name == "archived_sessions"]
    (named,) = _lines(sample.paths[archived[0]].parent.parent / "session_index.jsonl")

    assert archived == ["payment-providers"]
    assert (named["id"], named["thread_name"]) == (sample.thread_ids["rounding"], "Checkout rounding")


def test_secrets_are_in_a_prompt_and_in_a_command_output(sample: SampleHome) -> None:
    text = sample.paths["upload"].read_text(encoding="utf-8")

    assert all(secret in text for secret in sample.secrets.all())


def test_no_secret_stands_in_the_source(sample: SampleHome) -> None:
    sources = "".join(path.read_text(encoding="utf-8") for path in (CHECKOUT / "examples").glob("*.py"))

    assert not any(secret in sources for secret in sample.secrets.all())


def test_failed_command_has_its_exit_code_in_both_formats(sample: SampleHome) -> None:
    legacy = sample.paths["health-endpoint"].read_text(encoding="utf-8")
    paginated = [line["payload"].get("item", {}) for line in _lines(sample.paths["parquet-tests"])]

    assert "Process exited with code 1" in legacy
    assert [item["exit_code"] for item in paginated if item.get("type") == "CommandExecution"] == [2, 0, 0]


def test_changed_file_is_reported_by_its_absolute_path(sample: SampleHome) -> None:
    changes = [
        line["payload"]["changes"]
        for line in _lines(sample.paths["health-endpoint"])
        if line["payload"].get("type") == "patch_apply_end"
    ]

    assert [list(change) for change in changes] == [
        ["/home/sam/projects/lantern-shop/src/routes/health.ts", "/home/sam/projects/lantern-shop/src/app.ts"]
    ]


def test_interrupted_turn_ends_as_aborted(sample: SampleHome) -> None:
    ends = [
        line["payload"]["type"]
        for line in _lines(sample.paths["search"])
        if line["payload"].get("type") in ("turn_aborted", "task_complete")
    ]

    assert ends == ["turn_aborted", "task_complete"]


def test_folder_that_holds_something_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "config.toml").touch()

    with pytest.raises(FileExistsError, match="is not empty"):
        write_sample_home(tmp_path, now_ms=NOW_MS)
    assert [path.name for path in tmp_path.iterdir()] == ["config.toml"]


def test_script_runs_from_anywhere(tmp_path: Path) -> None:
    script = CHECKOUT / "examples" / "sample_home.py"
    command = [sys.executable, str(script), str(tmp_path / "home"), "--sessions", "3"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)

    assert done.stdout.startswith("3 sessions in ")
    assert len(list((tmp_path / "home").glob("sessions/**/*.jsonl"))) == 3
