"""A thread is loaded, says one thing at a time, is recorded as Codex records it, and can be gone on with."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import trio

from state.live import ForkCut, LiveError, TurnInput
from state.messages.threads import GetThread, ThreadFound
from state.rollouts import find_rollouts, read_rollout
from state.rollouts.turns import HistoryPart, read_turns
from state.store import StateHandle
from tests.fakes.turn_models import (
    ToldModel,
    calling,
    failing,
    managed,
    new_thread,
    saying,
    waiting,
)
from workers.threads.manager import ThreadManager
from workers.threads.turn import CALL_ROUNDS_MAX, NO_TOOLS

MODES = ("legacy", "paginated")


def said(text: str) -> TurnInput:
    return TurnInput(content=({"type": "text", "text": text, "text_elements": []},))


class Listener:
    """Remembers what it was told."""

    def __init__(self) -> None:
        self.told: list[tuple[str, Any]] = []

    async def __call__(self, method: str, params: Any) -> None:
        self.told.append((method, params))

    def methods(self) -> list[str]:
        return [method for method, _ in self.told]

    def ended(self) -> dict[str, Any]:
        turn: dict[str, Any] = next(params["turn"] for method, params in self.told if method == "turn/completed")
        return turn


async def begin(manager: ThreadManager, thread_id: str, text: str) -> str:
    turn_id, let_go = await manager.start_turn(thread_id, said(text))
    let_go()
    return turn_id


async def turn(manager: ThreadManager, thread_id: str, text: str) -> Listener:
    listener = Listener()
    manager.listen(thread_id, listener, listener)
    await begin(manager, thread_id, text)
    with trio.fail_after(5):
        await manager.wait_for_turn(thread_id)
    manager.leave(thread_id, listener)
    return listener


def recorded(home: Path) -> list[dict[str, Any]]:
    found, _ = find_rollouts(home)
    assert len(found) == 1
    return lines_of(home, found[0].path)


def lines_of(home: Path, path: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (home / path).read_bytes().splitlines()]


def append(path: Path, line: dict[str, Any]) -> None:
    with open(path, "ab") as file:
        file.write(json.dumps(line).encode() + b"\n")


def is_empty(folder: Path) -> bool:
    return list(folder.iterdir()) == []


def kinds(lines: Sequence[dict[str, Any]]) -> list[str]:
    return [
        f"{line['type']}/{line['payload']['type']}" if "type" in line["payload"] else line["type"] for line in lines
    ]


async def test_loaded_thread_is_not_on_disk_before_something_is_said_in_it(tmp_path: Path) -> None:
    async with managed(tmp_path, ToldModel([saying("Done.")])) as manager:
        live = await manager.start(new_thread())

        assert manager.ids() == [live.id]
        assert live.status == {"type": "idle"}
        assert live.row.rollout_path.startswith("sessions/")
        assert live.row.rollout_path.endswith(f"-{live.id}.jsonl")
        assert is_empty(tmp_path)


@pytest.mark.parametrize("mode", MODES)
async def test_turn_is_told_in_the_order_of_the_app_server(tmp_path: Path, mode: str) -> None:
    async with managed(tmp_path, ToldModel([saying("Done.")])) as manager:
        live = await manager.start(new_thread(mode))
        listener = await turn(manager, live.id, "Hello")

    assert listener.methods() == [
        "thread/status/changed",
        "turn/started",
        "item/started",
        "item/completed",
        "item/started",
        "item/agentMessage/delta",
        "item/completed",
        "thread/tokenUsage/updated",
        "thread/status/changed",
        "turn/completed",
    ]
    assert listener.ended()["status"] == "completed"
    assert [item["text"] for item in listener.ended()["items"]] == ["Done."]


async def test_paginated_turn_is_recorded_with_numbered_items(tmp_path: Path) -> None:
    async with managed(tmp_path, ToldModel([saying("Done.")])) as manager:
        live = await manager.start(new_thread())
        await turn(manager, live.id, "Hello")
        await turn(manager, live.id, "Again")

    lines = recorded(tmp_path)
    assert [line["ordinal"] for line in lines] == list(range(len(lines)))
    assert kinds(lines)[:12] == [
        "session_meta",
        "event_msg/task_started",
        "response_item/message",
        "turn_context",
        "event_msg/thread_settings_applied",
        "response_item/message",
        "event_msg/item_completed",
        "event_msg/item_completed",
        "response_item/message",
        "token_usage_record",
        "event_msg/token_count",
        "event_msg/task_complete",
    ]
    total = [
        line["payload"]["info"]["total_token_usage"]["total_tokens"] for line in lines if "info" in line["payload"]
    ]
    assert total == [120, 240]


async def test_legacy_turn_is_recorded_with_events_and_without_numbers(tmp_path: Path) -> None:
    async with managed(tmp_path, ToldModel([saying("Done.")])) as manager:
        live = await manager.start(new_thread("legacy"))
        await turn(manager, live.id, "Hello")

    lines = recorded(tmp_path)
    assert not any("ordinal" in line for line in lines)
    assert {"event_msg/user_message", "event_msg/agent_message"} <= set(kinds(lines))


@pytest.mark.parametrize("mode", MODES)
async def test_thread_is_in_the_index_when_its_turn_has_ended(tmp_path: Path, handle: StateHandle, mode: str) -> None:
    home = tmp_path / "codex"
    async with managed(home, ToldModel([saying("Done.")]), handle) as manager:
        live = await manager.start(new_thread(mode))
        await turn(manager, live.id, "Hello")
        found = await handle.ask(GetThread(thread_id=live.id))

    assert isinstance(found, ThreadFound)
    assert (found.thread.title, found.thread.history_mode, found.thread.tokens_used) == ("Hello", mode, 120)
    assert (found.thread.model, found.thread.approval_mode, found.thread.originator) == ("mock-model", "never", "ann")


async def test_ephemeral_thread_leaves_nothing_behind(tmp_path: Path) -> None:
    async with managed(tmp_path, ToldModel([saying("Done.")])) as manager:
        live = await manager.start(new_thread(ephemeral=True))
        listener = await turn(manager, live.id, "Hello")

    assert listener.ended()["status"] == "completed"
    assert is_empty(tmp_path)


async def test_what_is_said_while_a_turn_runs_is_part_of_that_turn(tmp_path: Path) -> None:
    model = ToldModel([waiting("First."), saying("Second.")])
    async with managed(tmp_path, model) as manager:
        live = await manager.start(new_thread())
        first = await begin(manager, live.id, "Hello")
        await model.asked.wait()
        second = await begin(manager, live.id, "And this")
        model.go.set()
        with trio.fail_after(5):
            await manager.wait_for_turn(live.id)

    assert first == second
    texts = [part["text"] for item in model.questions[-1].items for part in item["content"]]
    assert texts[1:] == ["Hello", "First.", "And this"]
    assert kinds(recorded(tmp_path)).count("event_msg/task_started") == 1


async def test_stopped_turn_is_recorded_and_told_as_stopped_and_the_thread_goes_on(tmp_path: Path) -> None:
    model = ToldModel([waiting("Never."), saying("Done.")])
    async with managed(tmp_path, model) as manager:
        live = await manager.start(new_thread())
        listener = Listener()
        manager.listen(live.id, listener, listener)
        await begin(manager, live.id, "Hello")
        await model.asked.wait()
        manager.stop_turn(live.id)
        with trio.fail_after(5):
            await manager.wait_for_turn(live.id)
        again = await turn(manager, live.id, "Again")

    assert listener.ended()["status"] == "interrupted"
    assert again.ended()["status"] == "completed"
    assert kinds(recorded(tmp_path)).count("event_msg/turn_aborted") == 1


async def test_failed_turn_says_why_and_the_thread_goes_on(tmp_path: Path) -> None:
    async with managed(tmp_path, ToldModel([failing("no key"), saying("Done.")])) as manager:
        live = await manager.start(new_thread())
        listener = await turn(manager, live.id, "Hello")
        seen = manager.look(live.id)
        again = await turn(manager, live.id, "Again")

    assert seen is not None
    assert seen.status == {"type": "systemError"}
    assert listener.methods()[-3:] == ["thread/status/changed", "error", "turn/completed"]
    assert listener.ended()["error"]["message"] == "no key"
    assert again.ended()["status"] == "completed"
    errors = [line["payload"]["error"] for line in recorded(tmp_path) if line["payload"].get("error")]
    assert errors == [{"message": "no key", "codex_error_info": {"http_connection_failed": {"http_status_code": 401}}}]


async def test_tool_that_a_model_calls_is_not_run_and_the_model_is_told_so(tmp_path: Path) -> None:
    model = ToldModel([calling("exec_command"), saying("Without it, then.")])
    async with managed(tmp_path, model) as manager:
        live = await manager.start(new_thread())
        listener = await turn(manager, live.id, "Run it")

    outputs = [item for item in model.questions[-1].items if item["type"] == "function_call_output"]
    assert [output["output"] for output in outputs] == ["unsupported call: exec_command"]
    assert listener.ended()["items"][0]["text"] == "Without it, then."


async def test_model_that_goes_on_calling_tools_fails_its_turn(tmp_path: Path) -> None:
    model = ToldModel([calling("exec_command")])
    async with managed(tmp_path, model) as manager:
        live = await manager.start(new_thread())
        listener = await turn(manager, live.id, "Run it")

    assert listener.ended()["error"]["message"] == NO_TOOLS
    assert len(model.questions) == CALL_ROUNDS_MAX + 1


async def test_closing_stops_what_runs_and_records_that(tmp_path: Path) -> None:
    model = ToldModel([waiting("Never.")])
    async with managed(tmp_path, model) as manager:
        live = await manager.start(new_thread())
        await begin(manager, live.id, "Hello")
        with trio.fail_after(5):
            await model.asked.wait()

    assert kinds(recorded(tmp_path))[-1] == "event_msg/turn_aborted"


async def test_turn_that_nobody_lets_begin_ends_with_the_manager(tmp_path: Path) -> None:
    model = ToldModel([saying("Done.")])
    with trio.fail_after(5):
        async with managed(tmp_path, model) as manager:
            live = await manager.start(new_thread())
            await manager.start_turn(live.id, said("Hello"))

    assert model.questions == []


async def test_nothing_is_said_in_a_thread_that_is_not_loaded(tmp_path: Path) -> None:
    async with managed(tmp_path, ToldModel([saying("Done.")])) as manager:
        with pytest.raises(LiveError, match="thread not found: nobody"):
            await manager.start_turn("nobody", said("Hello"))
        assert manager.leave("nobody", "ann") is None


async def _row(handle: StateHandle, thread_id: str) -> Any:
    found = await handle.ask(GetThread(thread_id=thread_id))
    assert isinstance(found, ThreadFound)
    return found.thread


@pytest.mark.parametrize("mode", MODES)
async def test_resumed_thread_goes_on_with_its_conversation_its_numbers_and_its_costs(
    tmp_path: Path, handle: StateHandle, mode: str
) -> None:
    home = tmp_path / "codex"
    async with managed(home, ToldModel([saying("Done.")]), handle) as manager:
        live = await manager.start(new_thread(mode))
        await turn(manager, live.id, "Hello")
    model = ToldModel([saying("Again done.")])
    async with managed(home, model, handle) as manager:
        row = await _row(handle, live.id)
        resumed = await manager.resume(row, {}, new_thread().settings)
        again = await manager.resume(row, {}, new_thread().settings)
        listener = await turn(manager, live.id, "Again")

    assert resumed == again
    assert resumed.usage is not None
    assert resumed.usage.total["total_tokens"] == 120
    texts = [part["text"] for item in model.questions[0].items for part in item["content"]]
    assert texts[1:] == ["Hello", "Done.", "Again"]
    lines = recorded(home)
    assert kinds(lines).count("session_meta") == 1
    if mode == "paginated":
        assert [line["ordinal"] for line in lines] == list(range(len(lines)))
    usage = next(params for method, params in listener.told if method == "thread/tokenUsage/updated")
    assert usage["tokenUsage"]["total"]["totalTokens"] == 240


async def test_what_another_program_recorded_meanwhile_is_taken_in_before_the_next_turn(tmp_path: Path) -> None:
    model = ToldModel([saying("Done.")])
    async with managed(tmp_path, model) as manager:
        live = await manager.start(new_thread())
        await turn(manager, live.id, "Hello")
        count = len(recorded(tmp_path))
        other = {
            "timestamp": "2026-11-26T00:00:00.000Z",
            "ordinal": count,
            "type": "response_item",
            "payload": {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "From aside"}]},
        }
        append(tmp_path / live.row.rollout_path, other)
        await turn(manager, live.id, "Again")

    lines = recorded(tmp_path)
    assert [line["ordinal"] for line in lines] == list(range(len(lines)))
    assert "From aside" in [part["text"] for item in model.questions[-1].items for part in item["content"]]


@pytest.mark.parametrize("mode", MODES)
async def test_fork_begins_with_its_source_and_leaves_it_alone(tmp_path: Path, handle: StateHandle, mode: str) -> None:
    home = tmp_path / "codex"
    model = ToldModel([saying("Done."), saying("Aside.")])
    async with managed(home, model, handle) as manager:
        live = await manager.start(new_thread(mode))
        await turn(manager, live.id, "Hello")
        before = (home / live.row.rollout_path).read_bytes()
        fork = await manager.fork(await _row(handle, live.id), new_thread(), {}, ForkCut())
        await turn(manager, fork.id, "In the fork")
        row = await _row(handle, fork.id)

    assert (home / live.row.rollout_path).read_bytes() == before
    assert (row.forked_from_id, row.history_mode) == (live.id, mode)
    texts = [part["text"] for item in model.questions[-1].items for part in item["content"]]
    assert texts[1:] == ["Hello", "Done.", "In the fork"]
    first = lines_of(home, fork.row.rollout_path)[0]
    if mode == "paginated":
        source = before.splitlines()
        assert first["ordinal"] == len(source)
        assert first["payload"]["history_base"] == {
            "thread_id": live.id,
            "end_ordinal_exclusive": len(source),
            "end_byte_offset": len(before),
        }
    else:
        assert kinds(lines_of(home, fork.row.rollout_path)).count("session_meta") == 2


@pytest.mark.parametrize("mode", MODES)
async def test_fork_can_leave_its_source_behind_a_turn_or_before_one(
    tmp_path: Path, handle: StateHandle, mode: str
) -> None:
    home = tmp_path / "codex"
    async with managed(home, ToldModel([saying("Done.")]), handle) as manager:
        live = await manager.start(new_thread(mode))
        first = (await turn(manager, live.id, "One")).ended()["id"]
        await turn(manager, live.id, "Two")
        row = await _row(handle, live.id)
        behind = await manager.fork(row, new_thread(), {}, ForkCut(last_turn_id=first))
        before = await manager.fork(row, new_thread(), {}, ForkCut(before_turn_id=first))
        with pytest.raises(LiveError, match="turn not found: nothing"):
            await manager.fork(row, new_thread(), {}, ForkCut(last_turn_id="nothing"))

    for fork, turns in ((behind, [first]), (before, [])):
        parts = [HistoryPart(path=fork.row.rollout_path)]
        if mode == "paginated":
            end = lines_of(home, fork.row.rollout_path)[0]["ordinal"]
            parts.insert(0, HistoryPart(path=live.row.rollout_path, ordinal_end=end))
        assert [one.id for one in read_turns(home, parts).turns] == turns


@pytest.mark.parametrize("mode", MODES)
async def test_recorded_rollout_reads_back_as_the_thread_that_it_is(tmp_path: Path, mode: str) -> None:
    async with managed(tmp_path, ToldModel([saying("Done.")])) as manager:
        live = await manager.start(new_thread(mode))
        await turn(manager, live.id, "Hello \ud83d\ude00 \udc00")
    found, _ = find_rollouts(tmp_path)
    reading = read_rollout(tmp_path, found[0], None, redact=str)

    assert reading.remark is None
    assert reading.facts is not None
    assert reading.facts.thread_id == live.id
    assert reading.facts.preview.startswith("Hello ")


async def test_listener_that_is_gone_costs_nobody_else_anything(tmp_path: Path) -> None:
    async def gone(method: str, params: Any) -> None:
        await trio.lowlevel.checkpoint()
        raise BrokenPipeError

    async with managed(tmp_path, ToldModel([saying("Done.")])) as manager:
        live = await manager.start(new_thread())
        manager.listen(live.id, "gone", gone)
        listener = await turn(manager, live.id, "Hello")

    assert listener.ended()["status"] == "completed"


async def test_rollout_that_cannot_be_written_fails_the_turn(tmp_path: Path) -> None:
    (tmp_path / "sessions").write_text("no folder")
    async with managed(tmp_path, ToldModel([saying("Done.")])) as manager:
        live = await manager.start(new_thread())
        listener = await turn(manager, live.id, "Hello")

    assert listener.ended()["status"] == "failed"
    assert listener.ended()["error"]["message"].startswith("the thread could not be recorded: ")


async def test_rollout_is_not_written_through_a_link_that_leads_out_of_the_home(tmp_path: Path) -> None:
    home, outside = tmp_path / "codex", tmp_path / "outside"
    outside.mkdir()
    async with managed(home, ToldModel([saying("Done.")])) as manager:
        live = await manager.start(new_thread())
        year = (home / live.row.rollout_path).parents[2]
        year.parent.mkdir(parents=True)
        year.symlink_to(outside)
        listener = await turn(manager, live.id, "Hello")

    assert listener.ended()["status"] == "failed"
    assert [path for path in outside.rglob("*") if path.is_file()] == []
