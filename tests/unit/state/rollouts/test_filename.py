"""A file's name says when its thread began and which thread it is, or nothing."""

import pytest

from state.rollouts.filename import RolloutName, rollout_name, thread_id_of
from tests.unit.state.rollouts.transcript import NAME_STAMP, NAME_STAMP_MS, THREAD

BARE = THREAD.replace("-", "")


@pytest.mark.parametrize(
    ("name", "read"),
    [
        (f"rollout-{NAME_STAMP}-{THREAD}.jsonl", RolloutName(NAME_STAMP_MS, THREAD)),
        (f"rollout-{NAME_STAMP}-{THREAD.upper()}.jsonl", RolloutName(NAME_STAMP_MS, THREAD)),
        (f"rollout-{NAME_STAMP}-{BARE}.jsonl", RolloutName(NAME_STAMP_MS, THREAD)),
        (f"rollout-{NAME_STAMP}.jsonl", RolloutName(NAME_STAMP_MS, None)),
        (f"rollout-{THREAD}.jsonl", RolloutName(None, None)),
        (f"rollout-copy-{THREAD}.jsonl", RolloutName(None, None)),
        (f"rollout-{NAME_STAMP}{THREAD}.jsonl", RolloutName(None, None)),
        (f"rollout-{NAME_STAMP}_{THREAD}.jsonl", RolloutName(None, None)),
        (f"rollout-2026-99-20T09-00-00-{THREAD}.jsonl", RolloutName(None, None)),
        ("rollout-notes.jsonl", RolloutName(None, None)),
    ],
)
def test_rollout_name_needs_a_stamp_before_its_id(name: str, read: RolloutName) -> None:
    assert rollout_name(name) == read


@pytest.mark.parametrize(
    "name",
    [
        f"rollout-{NAME_STAMP}-{THREAD}.jsonl.zst",
        f"rollout-{NAME_STAMP}-{THREAD}.json",
        f"copy-rollout-{NAME_STAMP}-{THREAD}.jsonl",
        f"Rollout-{NAME_STAMP}-{THREAD}.jsonl",
        "rollout-.jsonl",
        "rollout.jsonl",
        "",
    ],
)
def test_other_names_are_no_rollouts(name: str) -> None:
    assert rollout_name(name) is None


@pytest.mark.parametrize("text", [THREAD, THREAD.upper(), BARE, f"urn:uuid:{THREAD}"])
def test_every_spelling_of_an_id_is_one_id(text: str) -> None:
    assert thread_id_of(text) == THREAD


@pytest.mark.parametrize("text", ["", "hello", THREAD[:-1], THREAD + "0", THREAD.replace("-", "", 1), "g" + THREAD[1:]])
def test_what_is_no_uuid_is_no_id(text: str) -> None:
    assert thread_id_of(text) is None
