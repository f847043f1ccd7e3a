"""Older and newer rollouts become the turns that Codex 0.169.0 shows of them."""

from typing import Any

import pytest

from state.rollouts import turn_fold
from state.rollouts.turn_fold import TurnFold
from state.rollouts.turn_model import Turn
from tests.fakes.rollout_lines import answered, event, line, meta, newer, said

FIRST = meta("thread")
ASKED = event("user_message", message="a")


def folded(*lines: bytes, is_live: bool = False) -> list[Turn]:
    """The turns of a rollout with these lines behind its first."""
    fold = TurnFold()
    for one in (FIRST, *lines):
        fold.take(one)
    return fold.turns(is_live=is_live)


def shown(turn: Turn) -> list[tuple[str, str]]:
    """Kinds and ids of a turn's items."""
    return [(one.item["type"], one.item["id"]) for one in turn.items]


def started(turn: str, **members: Any) -> bytes:
    return event("task_started", turn_id=turn, **members)


def ended(turn: str, **members: Any) -> bytes:
    return event("task_complete", turn_id=turn, **members)


def test_message_outside_of_a_turn_opens_one_called_by_its_line() -> None:
    first, second = folded(ASKED, event("agent_message", message="b"), event("user_message", message="c"))

    assert (first.id, first.status, shown(first)) == (
        "rollout-1",
        "completed",
        [("userMessage", "item-1"), ("agentMessage", "item-2")],
    )
    assert (second.id, shown(second)) == ("rollout-3", [("userMessage", "item-3")])


@pytest.mark.parametrize(
    ("between", "counts"),
    [
        (event("token_count", info=None), True),
        (line("turn_context", {"cwd": "/"}), True),
        (line("response_item", {"type": "message", "role": "user", "content": []}), True),
        (line("response_item", {"type": "reasoning", "summary": []}), True),
        (meta("another"), True),
        (event("agent_message", message=""), True),
        (line("response_item", {"type": "ghost_snapshot"}), False),
        (line("response_item", {"type": "message"}), False),
        (event("exec_command_end", call_id="c", exit_code=0), False),
        (event("warning", message="w"), False),
        (event("agent_message", message=5), False),
        (line("world_state", {}), False),
        (b"not json", False),
        (b"", False),
    ],
)
def test_only_lines_that_codex_keeps_count_for_the_name_of_a_turn(between: bytes, counts: bool) -> None:
    assert folded(ASKED, between, ASKED)[1].id == ("rollout-3" if counts else "rollout-2")


def test_turn_has_the_id_and_the_times_that_its_lines_say() -> None:
    (turn,) = folded(started("t", root_turn_id="r", started_at=5), ASKED, ended("t", completed_at=9, duration_ms=4_000))

    assert (turn.id, turn.root_turn_id, turn.status) == ("t", "r", "completed")
    assert (turn.started_at_s, turn.completed_at_s, turn.duration_ms) == (5, 9, 4_000)


def test_turn_without_an_end_was_interrupted_unless_it_still_goes_on() -> None:
    assert [turn.status for turn in folded(started("t"), ASKED, started("u"))] == ["interrupted", "interrupted"]
    live = folded(started("t"), ASKED, started("u"), is_live=True)
    assert [turn.status for turn in live] == ["interrupted", "inProgress"]


def test_aborted_turn_stays_interrupted_and_ends_there() -> None:
    lines = (ASKED, event("turn_aborted", turn_id="t", completed_at=7), event("agent_message", message="after"))
    first, second = folded(started("t"), *lines)

    assert (first.status, first.completed_at_s, second.id) == ("interrupted", 7, "rollout-4")


def test_turn_that_failed_says_why_in_the_words_of_clients() -> None:
    error = {"message": "m", "codex_error_info": {"http_connection_failed": {"http_status_code": 401}}}
    (turn,) = folded(started("t"), ASKED, ended("t", error=error))

    assert turn.status == "failed"
    assert turn.error == {
        "message": "m",
        "codexErrorInfo": {"httpConnectionFailed": {"httpStatusCode": 401}},
        "additionalDetails": None,
        "misalignment": None,
    }


def test_end_of_an_unknown_turn_ends_the_one_that_goes_on() -> None:
    (turn,) = folded(started("t"), ASKED, ended("another", completed_at=3))

    assert (turn.status, turn.completed_at_s) == ("completed", 3)


def test_thoughts_one_after_the_other_are_one_item() -> None:
    thoughts = (event("agent_reasoning", text="r1"), event("agent_reasoning_raw_content", text="raw"))
    (turn,) = folded(ASKED, *thoughts, event("agent_reasoning", text="r2"), event("agent_reasoning", text=""))

    item = turn.items[1].item
    assert (item["id"], item["summary"], item["content"]) == ("item-2", ["r1", "r2"], ["raw"])


def test_rollback_takes_turns_away_and_their_numbers_are_used_again() -> None:
    turns = folded(ASKED, ASKED, event("thread_rolled_back", num_turns=1), ASKED)

    assert [(turn.id, shown(turn)) for turn in turns] == [
        ("rollout-1", [("userMessage", "item-1")]),
        ("rollout-4", [("userMessage", "item-2")]),
    ]
    assert folded(ASKED, event("thread_rolled_back", num_turns=9)) == []


def test_compaction_keeps_a_turn_that_has_no_item() -> None:
    assert [turn.id for turn in folded(line("compacted", {"message": "m"}))] == ["rollout-1"]
    (turn,) = folded(line("compacted", {"message": "m"}), ASKED)
    assert (turn.id, shown(turn)) == ("rollout-1", [("userMessage", "item-1")])


def test_item_told_again_takes_the_place_of_the_first() -> None:
    searches = [
        event("web_search_end", call_id="w", query=query, action={"type": "search", "query": query})
        for query in ("one", "two")
    ]
    (turn,) = folded(ASKED, searches[0], event("agent_message", message="m"), searches[1])

    assert shown(turn) == [("userMessage", "item-1"), ("webSearch", "w"), ("agentMessage", "item-2")]
    assert turn.items[1].item["query"] == "two"


def test_what_belongs_to_an_unknown_turn_is_not_shown() -> None:
    call = {"call_id": "m", "invocation": {"server": "s", "tool": "t"}, "result": {"Ok": {"content": []}}}
    (turn,) = folded(started("t"), ASKED, event("mcp_tool_call_end", turn_id="zz", **call), ended("t"))

    assert shown(turn) == [("userMessage", "item-1")]


def test_older_rollout_tells_of_plans_alone_by_items() -> None:
    def told(item: dict[str, Any]) -> bytes:
        return event("item_completed", turn_id="t", item=item)

    (turn,) = folded(started("t"), told({"type": "Plan", "id": "p", "text": "do it"}), told(said("x")))

    assert shown(turn) == [("plan", "p")]


def test_newer_rollout_shows_the_items_with_their_times() -> None:
    fold = TurnFold()
    for one in newer("thread", [[said("a"), answered("b")], [said("c", 2)]]):
        fold.take(one)
    fold.take(event("user_message", message="never shown"))
    first, second = fold.turns()

    assert [(first.id, first.ordinal), (second.id, second.ordinal)] == [("turn-1", 1), ("turn-5", 5)]
    assert [(one.ordinal, one.item["id"]) for one in first.items] == [(2, "user-1"), (3, "agent-1")]
    assert (first.items[0].item["startedAtMs"], first.items[0].item["completedAtMs"]) == (1, 2)


def test_newer_rollout_is_cut_at_a_line() -> None:
    fold = TurnFold()
    for one in newer("thread", [[said("a")], [said("b", 2)]]):
        fold.take(one, ordinal_end=4)

    assert [turn.id for turn in fold.turns()] == ["turn-1"]


def test_long_history_keeps_what_was_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turn_fold, "KEPT_BYTES_MAX", 500)
    monkeypatch.setattr(turn_fold, "SAID_BYTES_MAX", 2_000)
    search = event("web_search_end", call_id="w", query="q" * 600, action={"type": "search"})
    fold = TurnFold()
    for one in (FIRST, ASKED, search, event("agent_message", message="b" * 600), *[ASKED] * 20):
        fold.take(one)

    kinds = [one.item["type"] for turn in fold.turns() for one in turn.items]
    assert kinds[:2] == ["userMessage", "agentMessage"]
    assert fold.omitted_items == 1 + 22 - len(kinds)
