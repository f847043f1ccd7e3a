"""Which differences between Codex's row and ours are drifts, and which are meant."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import attrs
import pytest

from state.codex_database import CodexRow, CodexValue
from state.messages.threads import Thread
from state.rules.recording import columns_of
from tests.fakes.readings import CONTENT_AT_MS, facts, found, path_of, read
from workers.doctor.columns import Difference, differences, is_emptied, relative_path

HOME = Path("/home/ann/.codex")


def ours(**changes: Any) -> Thread:
    """Our row of a made-up thread."""
    columns = columns_of(read(found(path_of(1)), facts(1)), facts(1), "openai")
    del columns["content_digest"]
    row = {**columns, "archived_at_ms": None, "name": None, "content_revision": 1, **changes}
    return Thread(**row)


def theirs(thread: Thread, **changes: CodexValue) -> CodexRow:
    """What Codex's row of the same thread says when nothing is wrong."""
    columns: dict[str, CodexValue] = {
        name: value for name, value in attrs.asdict(thread).items() if name not in ("id", "archived_at_ms")
    }
    columns |= {"rollout_path": f"{HOME}/{thread.rollout_path}", "archived": int(thread.archived_at_ms is not None)}
    return CodexRow(id=thread.id, columns=columns | changes)


def drifts(found: list[Difference]) -> set[str]:
    """The columns that differ and should not."""
    return {one.column for one in found if one.meant is None}


def meant(found: list[Difference]) -> set[str]:
    """The columns that differ as they should."""
    return {one.column for one in found if one.meant is not None}


def test_equal_rows_do_not_differ() -> None:
    assert differences(theirs(ours()), ours()) == []


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("cwd", "/x"), ("source", "exec"), ("model_provider", "azure"), ("title", "x"), ("name", "x"),
        ("first_user_message", "x"), ("git_branch", "x"), ("git_sha", "x"), ("git_origin_url", "x"),
        ("tokens_used", 99), ("memory_mode", "disabled"), ("archived", 1),
    ],
)  # fmt: skip
def test_column_that_says_something_else_drifts(column: str, value: CodexValue) -> None:
    assert drifts(differences(theirs(ours(), **{column: value}), ours())) == {column}


@pytest.mark.parametrize("column", ["model", "reasoning_effort", "approval_mode", "sandbox_policy", "cli_version"])
def test_settings_are_written_down_differently_by_each_version(column: str) -> None:
    found = differences(theirs(ours(), **{column: "x"}), ours())

    assert (meant(found), drifts(found)) == ({column}, set())


@pytest.mark.parametrize(
    ("thread", "changes", "columns"),
    [
        ({"name": "A name"}, {"name": None}, {"name"}),
        ({"name": "A name"}, {"name": None, "title": "A name"}, {"name", "title"}),
        ({}, {"preview": "of the parent", "first_user_message": "do task 1"}, {"preview"}),
        ({"history_mode": "paginated"}, {"git_branch": "edited"}, {"git_branch"}),
    ],
    ids=["lost-name", "name-in-title", "fork", "edit-in-the-database-alone"],
)
def test_known_better_answers_are_meant(
    thread: Mapping[str, Any], changes: Mapping[str, CodexValue], columns: set[str]
) -> None:
    row = ours(**thread)
    found = differences(theirs(row, **changes), row)

    assert (meant(found), drifts(found)) == (columns, set())


def test_a_name_that_codex_has_and_we_do_not_is_a_drift() -> None:
    assert drifts(differences(theirs(ours(), name="Theirs"), ours(name="Ours"))) == {"name"}


def test_time_that_is_far_is_told_and_never_a_drift() -> None:
    row = ours()
    near = theirs(row, updated_at_ms=CONTENT_AT_MS + 1_500)
    far = theirs(row, updated_at_ms=CONTENT_AT_MS - 3_600_000)

    assert differences(near, row) == []
    assert (meant(differences(far, row)), drifts(differences(far, row))) == ({"updated_at"}, set())


def test_seconds_of_an_older_codex_are_as_good_as_milliseconds() -> None:
    row = ours()
    old = CodexRow(id=row.id, columns={"rollout_path": "/p", "updated_at": CONTENT_AT_MS // 1000 + 2})

    assert differences(old, row) == []


def test_text_that_redaction_makes_equal_is_equal() -> None:
    secret = "gh" + "p_" + "a1B2c3D4" * 5
    from workers.redaction import redact

    row = ours(title=redact(f"push with {secret}"))
    assert differences(theirs(row, title=f"push with {secret}"), row) == []


def test_objects_are_compared_by_what_they_say() -> None:
    row = ours(source='{"subagent":{"a":1,"b":2}}')

    assert differences(theirs(row, source='{"subagent": {"b": 2, "a": 1}}'), row) == []
    assert drifts(differences(theirs(row, source='{"subagent": {"b": 3, "a": 1}}'), row)) == {"source"}


def test_column_of_a_strange_type_drifts_and_does_not_fail() -> None:
    assert drifts(differences(theirs(ours(), tokens_used="many", title=7), ours())) == {"tokens_used", "title"}


@pytest.mark.parametrize(
    ("path", "relative"),
    [
        (f"{HOME}/sessions/a.jsonl", "sessions/a.jsonl"),
        (f"{HOME}/sessions/a.jsonl.zst", "sessions/a.jsonl"),
        ("/elsewhere/a.jsonl", None),
        ("", None),
    ],
)
def test_path_is_relative_to_the_home(path: str, relative: str | None) -> None:
    assert relative_path(path, HOME) == relative


def test_path_through_a_link_to_the_home_is_that_of_the_home(tmp_path: Path) -> None:
    (tmp_path / "real" / "sessions").mkdir(parents=True)
    (tmp_path / "link").symlink_to("real")

    assert relative_path(f"{tmp_path}/link/sessions/a.jsonl", tmp_path / "real") == "sessions/a.jsonl"


def test_emptied_row_is_one_that_says_nothing_of_a_thread_that_says_something() -> None:
    nothing: dict[str, CodexValue] = {"source": "unknown", "title": "", "preview": "", "tokens_used": 0}

    assert is_emptied(theirs(ours(), **nothing), ours())
    assert not is_emptied(theirs(ours(), **nothing), ours(preview=""))
    assert not is_emptied(theirs(ours()), ours())


def test_path_that_is_none_or_leads_in_a_circle_lies_nowhere(tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to(tmp_path / "loop")

    assert relative_path("/a\0b/rollout.jsonl", HOME) is None
    assert relative_path(f"{tmp_path}/loop/rollout.jsonl", HOME) is None


@pytest.mark.parametrize("column", ["title", "name", "memory_mode", "git_branch", "git_sha", "git_origin_url"])
def test_column_that_was_edited_here_differs_as_it_should_and_no_other(column: str) -> None:
    found = differences(theirs(ours(), **{column: "x", "cwd": "/x"}), ours(), {column})

    assert (meant(found), drifts(found)) == ({column}, {"cwd"})
