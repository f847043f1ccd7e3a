"""A state can be put away and taken up again, holds no secret, and keeps a long text once."""

import json

import pytest

from state.rollouts.fold import Fold
from state.rollouts.fold_state import FORMAT, FoldState, redacted, state_from_bytes, state_to_bytes, thread_facts
from tests.unit.state.rollouts.transcript import event, line, session_meta, unchanged, user, without_hunter

OTHER_FORMAT = state_to_bytes(FoldState()).replace(b'"format":%d' % FORMAT, b'"format":%d' % (FORMAT + 1))


def _fold(*lines: bytes) -> FoldState:
    folded = Fold(FoldState())
    folded.take(b"".join(lines))
    return folded.state


def test_stored_state_is_loaded_as_it_was() -> None:
    tool = {"name": "look_up", "description": "finds", "inputSchema": {}}
    state = _fold(session_meta(git={"branch": "żółć"}, dynamic_tools=[tool]), user("words"), b"\xff\n")

    assert state_from_bytes(state_to_bytes(state)) == state


@pytest.mark.parametrize("stored", [b"", b"null", b"{", b'{"tokens_used":"many"}', OTHER_FORMAT])
def test_state_that_is_damaged_or_of_another_format_is_none(stored: bytes) -> None:
    assert state_from_bytes(stored) is None


def test_long_first_message_is_stored_once() -> None:
    text = "word " * 50_000
    state = _fold(session_meta(), user(text))

    assert len(state_to_bytes(state)) < len(text) + 2_000
    found = thread_facts(state, None)
    assert found is not None
    assert found.title == found.preview == found.first_user_message == text.strip()


def test_no_fact_holds_a_secret() -> None:
    secret = "pass hunter2 on"
    tool = {"name": "t", "description": secret, "inputSchema": {"default": secret}}
    meta = session_meta(
        cwd=f"/{secret}",
        originator=secret,
        cli_version=secret,
        model_provider=secret,
        history_mode=secret,
        memory_mode=secret,
        parent_thread_id=secret,
        forked_from_id=secret,
        source={"custom": secret},
        thread_source=secret,
        agent_nickname=secret,
        agent_role=secret,
        agent_path=secret,
        git={"commit_hash": secret, "branch": secret, "repository_url": f"https://ann:{secret}@example.com"},
        dynamic_tools=[tool],
    )
    goal = event("thread_goal_updated", goal={"objective": secret})
    image = user("", images=["data:x"])
    turn = {"permission_profile": {"type": secret}, "approval_policy": {"x": secret}, "model": secret, "effort": secret}
    settings = line("turn_context", turn)
    state = redacted(_fold(meta, goal, image, user(secret), settings), without_hunter)
    found = thread_facts(state, None)

    assert found is not None
    assert (found.title, found.preview, found.first_user_message) == ("pass [gone] on", "pass [gone] on", "[Image]")
    assert b"hunter2" not in state_to_bytes(state)
    assert "hunter2" not in repr(found)


def test_redacting_twice_is_redacting_once() -> None:
    once = redacted(_fold(session_meta(source={"custom": "hunter2"}), user("hunter2")), without_hunter)

    assert redacted(once, without_hunter) == once


def test_nothing_to_redact_leaves_the_state_as_it_is() -> None:
    state = _fold(session_meta(git={"branch": "main"}), user("words"))

    assert redacted(state, unchanged) == state


def test_json_text_stays_json_when_redacting_breaks_it() -> None:
    def greedy(text: str) -> str:
        return text.replace('hunter2"', "[gone]")

    state = redacted(_fold(session_meta(source={"custom": "hunter2"})), greedy)

    assert json.loads(state.source) == '{"custom":"[gone]}'


def test_nul_becomes_a_replacement_character_everywhere() -> None:
    state = _fold(session_meta(cwd="/a\0b", cli_version="1\0", git={"commit_hash": "c\0"}), user("x\0y"))
    found = thread_facts(redacted(state, unchanged), None)

    assert found is not None
    assert (found.cwd, found.cli_version, found.git_sha, found.title) == ("/a\ufffdb", "1\ufffd", "c\ufffd", "x\ufffdy")
