"""Clones are rollouts of the wanted size that nothing but their ids, times and first messages tells apart."""

import json
import random
from pathlib import Path
from typing import Any

import pytest

from benchmarks.corpus import Template, build_corpus, build_large, clone

THREAD = "01900000-0000-7000-8000-000000000001"
TURN = "01900000-0000-7000-8000-000000000002"
INSTRUCTIONS = 'You are "an agent".\n' * 300
AT_MS = 1_750_000_000_500
FILLER = "0123456789" * 10_000


def _rollout(*, paginated: bool) -> str:
    at = "2024-06-10T12:00:00.500Z"
    meta = {
        "id": THREAD,
        "timestamp": at,
        "base_instructions": {"text": INSTRUCTIONS},
        "history_mode": "paginated" if paginated else "legacy",
    }
    environment = "<environment_context>somewhere</environment_context>"
    said: dict[str, Any] = {
        "type": "item_completed",
        "item": {"type": "UserMessage", "content": [{"type": "text", "text": "Hello"}]},
    }
    ran: dict[str, Any] = {"type": "item_completed", "item": {"type": "CommandExecution", "aggregated_output": "a\n"}}
    payloads: list[tuple[str, dict[str, Any]]] = [
        ("session_meta", meta),
        ("event_msg", {"type": "task_started", "turn_id": TURN, "started_at": 1_718_020_800}),
        ("response_item", {"type": "message", "role": "developer", "content": [{"text": "Rules"}]}),
        ("response_item", {"type": "message", "role": "user", "content": [{"text": environment}]}),
        ("world_state", {"full": True}),
        ("response_item", {"type": "message", "id": f"msg_{TURN}", "role": "user", "content": [{"text": "Hello"}]}),
        ("event_msg", said if paginated else {"type": "user_message", "message": "Hello"}),
        ("event_msg", ran if paginated else {"type": "agent_message", "message": "Looking"}),
        ("response_item", {"type": "function_call_output", "output": "a\n"}),
        ("event_msg", {"type": "task_complete", "turn_id": TURN, "completed_at": 1_718_020_801}),
    ]
    lines: list[dict[str, Any]] = [{"timestamp": at, "type": kind, "payload": payload} for kind, payload in payloads]
    if paginated:
        lines = [{**line, "ordinal": ordinal} for ordinal, line in enumerate(lines)]
    return "".join(json.dumps(line) + "\n" for line in lines)


def _clone(bytes_wanted: int, *, paginated: bool = True, seed: int = 1) -> tuple[str, str, list[dict[str, Any]]]:
    thread, text = clone(
        Template.from_rollout(_rollout(paginated=paginated)),
        at_ms=AT_MS,
        bytes_wanted=bytes_wanted,
        task="Task 7",
        rng=random.Random(seed),
        filler=FILLER,
    )
    return thread, text, [json.loads(line) for line in text.splitlines()]


@pytest.mark.parametrize("paginated", [True, False])
@pytest.mark.parametrize("bytes_wanted", [10_000, 50_000])
def test_clone_has_the_wanted_size(bytes_wanted: int, paginated: bool) -> None:
    _, text, _ = _clone(bytes_wanted, paginated=paginated)

    assert len(text) == pytest.approx(bytes_wanted, rel=0.03)


def test_small_clone_is_one_whole_turn_with_its_instructions_cut() -> None:
    _, text, lines = _clone(3_000)

    assert len(text) == pytest.approx(3_000, rel=0.05)
    assert len(lines) == 10
    assert INSTRUCTIONS.startswith(lines[0]["payload"]["base_instructions"]["text"])


def test_instructions_are_never_cut_inside_an_escape() -> None:
    for bytes_wanted in range(3_000, 3_100):
        _clone(bytes_wanted)


def test_clone_has_an_id_and_times_of_its_own() -> None:
    thread, text, lines = _clone(20_000)

    assert lines[0]["payload"]["id"] == thread
    assert lines[0]["timestamp"] == "2025-06-15T15:06:40.500Z"
    assert lines[1]["payload"]["started_at"] == 1_750_000_000
    assert THREAD not in text
    assert TURN not in text


def test_context_is_said_once_and_turns_have_ids_of_their_own() -> None:
    _, _, lines = _clone(20_000)
    started = [line["payload"]["turn_id"] for line in lines if line["payload"].get("type") == "task_started"]

    assert len(started) == len(set(started)) > 1
    assert [line["type"] for line in lines].count("world_state") == 1


@pytest.mark.parametrize("paginated", [True, False])
def test_clone_says_its_own_task(paginated: bool) -> None:
    _, text, _ = _clone(20_000, paginated=paginated)

    assert "Task 7" in text
    assert "Hello" not in text


def test_ordinals_of_a_paginated_clone_count_its_lines() -> None:
    _, _, lines = _clone(20_000)

    assert [line["ordinal"] for line in lines] == list(range(len(lines)))


def test_legacy_clone_has_no_ordinals() -> None:
    _, text, _ = _clone(20_000, paginated=False)

    assert "ordinal" not in text


def test_corpus_is_the_same_for_the_same_seed(tmp_path: Path) -> None:
    templates = [Template.from_rollout(_rollout(paginated=paginated)) for paginated in (True, False)]

    def built(name: str, seed: int) -> dict[str, bytes]:
        home = tmp_path / name
        build_corpus(templates, home, files=20, bytes_each=8_000, seed=seed)
        return {str(path.relative_to(home)): path.read_bytes() for path in sorted(home.rglob("*.jsonl"))}

    first = built("first", seed=3)

    assert len(first) == 20
    assert built("again", seed=3) == first
    assert built("other", seed=4).keys().isdisjoint(first)
    assert any(path.startswith("archived_sessions/") for path in first)


def test_brief_clone_has_the_turn_and_what_was_said_in_it() -> None:
    template = Template.from_rollout(_rollout(paginated=True)).brief()
    _, text = clone(template, at_ms=AT_MS, bytes_wanted=1_500, task="Task 7", rng=random.Random(1), filler=FILLER)
    kinds = [json.loads(line)["payload"].get("type") for line in text.splitlines()]

    assert len(text) <= 1_550
    assert kinds == [None, "task_started", "item_completed", "task_complete"]
    assert "Task 7" in text


def test_large_rollout_is_one_file_of_whole_lines(tmp_path: Path) -> None:
    template = Template.from_rollout(_rollout(paginated=True))
    written = build_large(template, tmp_path, bytes_wanted=2_500_000, seed=1)
    (path,) = tmp_path.glob("sessions/**/rollout-*.jsonl")
    lines = path.read_bytes().splitlines()

    assert path.stat().st_size == written >= 2_500_000
    assert [json.loads(line)["type"] for line in lines].count("session_meta") == 1
