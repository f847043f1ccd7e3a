"""Which line says what about its thread, and which line goes before which."""

from typing import Any

import attrs
import pytest

from state.rollouts.filename import RolloutName
from state.rollouts.fold import MEANINGFUL, Fold
from state.rollouts.fold_state import FoldState, thread_facts
from state.rollouts.model import DynamicTool, ThreadFacts
from state.rollouts.permissions import READ_ONLY
from tests.unit.state.rollouts.transcript import (
    CREATED_AT_MS,
    NAME_STAMP_MS,
    OTHER_THREAD,
    THREAD,
    agent,
    completed,
    event,
    line,
    message,
    response,
    session_meta,
    stamp_ms,
    token_count,
    user,
    user_item,
    written,
)

NAME = RolloutName(NAME_STAMP_MS, THREAD)


def fold(*lines: bytes) -> FoldState:
    """The state after these lines."""
    folded = Fold(FoldState())
    folded.take(b"".join(lines))
    return folded.state


def facts(*lines: bytes) -> ThreadFacts:
    """What these lines say, under a usual file name."""
    found = thread_facts(fold(*lines), NAME)
    assert found is not None
    return found


def turn_context(**payload: Any) -> bytes:
    return line("turn_context", {"turn_id": "t", "cwd": "/turn", **payload})


def settings(**changed: Any) -> bytes:
    return event("thread_settings_applied", thread_id=THREAD, thread_settings={"cwd": "/settings", **changed})


GIT = {"commit_hash": "abc", "branch": "main", "repository_url": "git@example.com:shop.git"}


def test_session_meta_is_the_identity() -> None:
    said = facts(session_meta(git=GIT, memory_mode="disabled", history_mode="paginated", forked_from_id=OTHER_THREAD))

    assert said.thread_id == THREAD
    assert said.created_at_ms == CREATED_AT_MS
    assert (said.cwd, said.originator, said.cli_version, said.source) == (
        "/home/ann/shop",
        "codex_cli_rs",
        "1.0",
        "cli",
    )
    assert (said.model_provider, said.history_mode, said.memory_mode) == ("openai", "paginated", "disabled")
    assert (said.git_sha, said.git_branch, said.git_origin_url) == ("abc", "main", "git@example.com:shop.git")
    assert said.forked_from_id == OTHER_THREAD


def test_what_nothing_says_has_its_default() -> None:
    said = facts(session_meta(source=None, model_provider=None, originator=None))

    assert (said.source, said.model_provider, said.originator) == ("vscode", "", "")
    assert (said.approval_mode, said.sandbox_policy) == ("on-request", READ_ONLY)
    assert (said.history_mode, said.memory_mode, said.tokens_used) == ("legacy", "", 0)
    assert (said.title, said.first_user_message, said.preview) == ("", "", "")
    assert (said.model, said.reasoning_effort, said.turn_started_at_ms) == (None, None, None)
    assert (said.content_at_ms, said.content_lines, said.content_digest) == (None, 0, "")


def test_without_session_meta_id_and_time_are_those_of_the_name() -> None:
    said = facts(user("hello"))

    assert (said.thread_id, said.created_at_ms, said.source, said.cwd) == (THREAD, NAME_STAMP_MS, "vscode", "")
    assert said.title == "hello"


@pytest.mark.parametrize("name", [None, RolloutName(NAME_STAMP_MS, None), RolloutName(None, None)])
def test_without_session_meta_and_without_an_id_in_the_name_there_is_no_thread(name: RolloutName | None) -> None:
    assert thread_facts(fold(user("hello")), name) is None


def test_id_in_the_file_goes_before_the_one_in_its_name() -> None:
    assert facts(session_meta(OTHER_THREAD.upper())).thread_id == OTHER_THREAD


def test_identity_may_come_late() -> None:
    said = facts(user("early"), session_meta())

    assert (said.title, said.cwd) == ("early", "/home/ann/shop")


@pytest.mark.parametrize(
    ("written_stamp", "name", "created_at_ms"),
    [
        ("2026-11-20T10:00:00.456Z", NAME, CREATED_AT_MS),
        ("2026-11-20T10-00-00", NAME, CREATED_AT_MS - 456),
        ("yesterday", NAME, NAME_STAMP_MS),
        ("2026-11-20T10:00:00", NAME, NAME_STAMP_MS),
        ("yesterday", None, stamp_ms(5)),
    ],
)
def test_creation_is_the_session_s_stamp_else_the_name_s_else_the_line_s(
    written_stamp: str, name: RolloutName | None, created_at_ms: int
) -> None:
    said = thread_facts(fold(session_meta(timestamp=written_stamp, second=5)), name)

    assert said is not None
    assert said.created_at_ms == created_at_ms


def test_session_meta_of_another_thread_says_nothing_about_this_one() -> None:
    """A fork in the legacy format carries its parent's session_meta along."""
    first = session_meta(git=GIT)
    said = facts(first, session_meta(OTHER_THREAD, cwd="/other", source="exec", git={"branch": "other"}))

    assert said == attrs.evolve(facts(first), is_all_copied=True)


def test_memory_mode_of_a_copied_session_counts() -> None:
    """What was copied came from a thread that must not be remembered."""
    assert facts(session_meta(), session_meta(OTHER_THREAD, memory_mode="disabled")).memory_mode == "disabled"


def test_later_session_meta_of_the_same_thread_is_a_patch() -> None:
    said = facts(
        session_meta(agent_nickname="Nick", agent_role="tester", thread_source="user", memory_mode="disabled"),
        session_meta(
            source="exec",
            cwd="/later",
            cli_version="2.0",
            model_provider="other",
            memory_mode="enabled",
            timestamp="2027-01-01T00:00:00Z",
            originator="later",
            history_mode="paginated",
        ),
    )

    assert (said.source, said.cwd, said.cli_version, said.model_provider) == ("exec", "/later", "2.0", "other")
    assert (said.agent_nickname, said.agent_role, said.thread_source) == (None, None, None)
    assert said.memory_mode == "enabled"
    assert (said.created_at_ms, said.originator, said.history_mode) == (CREATED_AT_MS, "codex_cli_rs", "legacy")


def test_patch_leaves_what_it_does_not_have() -> None:
    said = facts(
        session_meta(git=GIT, memory_mode="disabled"),
        session_meta(cwd="", cli_version="", model_provider=None, git=None, memory_mode=None),
    )

    assert (said.cwd, said.cli_version, said.model_provider) == ("/home/ann/shop", "1.0", "openai")
    assert (said.git_sha, said.git_branch, said.memory_mode) == ("abc", "main", "disabled")


@pytest.mark.parametrize("git", [{}, {"commit_hash": None, "branch": None, "repository_url": None}])
def test_git_that_a_patch_has_without_a_value_is_cleared(git: dict[str, None]) -> None:
    said = facts(session_meta(git=GIT), session_meta(git=git))

    assert (said.git_sha, said.git_branch, said.git_origin_url) == (None, None, None)


def test_git_of_a_patch_replaces_all_three_values() -> None:
    said = facts(session_meta(git=GIT), session_meta(git={"branch": "next"}))

    assert (said.git_sha, said.git_branch, said.git_origin_url) == (None, "next", None)


def test_source_of_a_sub_agent_is_compact_json_and_names_its_parent() -> None:
    spawn = {"parent_thread_id": OTHER_THREAD, "depth": 1, "agent_nickname": "Nick"}
    said = facts(session_meta(source={"subagent": {"thread_spawn": spawn}}))

    assert said.source == (
        '{"subagent":{"thread_spawn":{"parent_thread_id":"' + OTHER_THREAD + '","depth":1,"agent_nickname":"Nick"}}}'
    )
    assert said.parent_thread_id == OTHER_THREAD


@pytest.mark.parametrize("source", [{"subagent": "review"}, {"custom": "atlas"}, {"subagent": {"other": "x"}}, "exec"])
def test_other_sources_have_no_parent(source: object) -> None:
    assert facts(session_meta(source=source)).parent_thread_id is None


def test_parent_that_is_named_outright_is_the_parent() -> None:
    assert facts(session_meta(parent_thread_id=OTHER_THREAD, agent_type="worker")).parent_thread_id == OTHER_THREAD


def test_agent_type_is_the_older_name_of_the_role() -> None:
    assert facts(session_meta(agent_type="worker")).agent_role == "worker"
    assert facts(session_meta(agent_type="worker", agent_role="tester")).agent_role == "tester"


def test_dynamic_tools_are_those_of_the_first_session_meta() -> None:
    tool = {
        "name": "look_up",
        "description": "finds",
        "inputSchema": {"type": "object"},
        "deferLoading": True,
    }
    older = {"name": "older", "description": "d", "input_schema": {}, "namespace": "mine"}
    group = {"type": "namespace", "name": "group", "tools": [{"type": "function", "name": "inner", "inputSchema": {}}]}
    said = facts(session_meta(dynamic_tools=[tool, older, group]), session_meta(dynamic_tools=[older]))

    assert said.dynamic_tools == (
        DynamicTool(name="look_up", description="finds", input_schema='{"type":"object"}', defer_loading=True),
        DynamicTool(name="older", description="d", input_schema="{}", namespace="mine"),
        DynamicTool(name="inner", description="", input_schema="{}", namespace="group"),
    )


def test_tools_that_are_not_understood_do_not_cost_the_identity() -> None:
    said = facts(session_meta(dynamic_tools=[{"description": "nameless"}]))

    assert (said.dynamic_tools, said.cwd) == ((), "/home/ann/shop")


def test_turn_context_says_what_turns_run_with_and_the_last_one_counts() -> None:
    said = facts(
        session_meta(),
        turn_context(
            approval_policy="untrusted", model="small", effort="high", permission_profile={"type": "disabled"}
        ),
        turn_context(approval_policy="never", model="large", sandbox_policy={"type": "read-only"}),
    )

    assert (said.approval_mode, said.model, said.reasoning_effort) == ("never", "large", None)
    assert said.sandbox_policy == READ_ONLY


def test_turn_context_gives_the_folder_only_while_there_is_none() -> None:
    assert facts(session_meta(), turn_context()).cwd == "/home/ann/shop"
    assert facts(session_meta(cwd=""), turn_context(), turn_context(cwd="/second")).cwd == "/turn"
    assert facts(session_meta(cwd=""), turn_context(), session_meta(cwd="/patched")).cwd == "/patched"


def test_turn_context_leaves_what_it_does_not_say() -> None:
    said = facts(session_meta(), turn_context(approval_policy="never", model="small"), turn_context(effort="low"))

    assert (said.approval_mode, said.model, said.reasoning_effort) == ("never", "small", "low")


def test_settings_move_the_thread_and_change_its_provider() -> None:
    said = facts(
        session_meta(),
        turn_context(model="small", effort="high"),
        settings(
            model="large",
            model_provider_id="other",
            approval_policy="untrusted",
            permission_profile={"type": "disabled"},
            reasoning_effort="xhigh",
        ),
    )

    assert (said.cwd, said.model_provider, said.model) == ("/settings", "other", "large")
    assert (said.approval_mode, said.sandbox_policy, said.reasoning_effort) == (
        "untrusted",
        '{"type":"disabled"}',
        "xhigh",
    )


@pytest.mark.parametrize(
    ("policy", "mode"),
    [
        ("never", "never"),
        ("on-failure", "on-request"),
        ({"granular": {"rules": True}}, '{"granular":{"rules":true}}'),
        (None, "on-request"),
    ],
)
def test_approval_is_a_word_or_compact_json(policy: object, mode: str) -> None:
    assert facts(session_meta(), turn_context(approval_policy=policy)).approval_mode == mode


@pytest.mark.parametrize(
    ("totals", "tokens_used"),
    [
        ([500, 300], 300),
        ([500, None], 500),
        ([500, -5], 0),
        ([500, 2**63 - 1], 2**63 - 1),
        ([500, 2**63], 500),
        ([], 0),
    ],
)
def test_tokens_are_those_of_the_last_count_that_has_one(totals: list[int | None], tokens_used: int) -> None:
    assert facts(session_meta(), *map(token_count, totals)).tokens_used == tokens_used


def test_turn_began_when_its_last_start_says_so() -> None:
    said = facts(session_meta(), event("task_started", second=3), event("turn_started", second=4), agent("x", second=9))

    assert said.turn_started_at_ms == stamp_ms(4)


@pytest.mark.parametrize("say", [user, user_item])
def test_first_message_is_title_preview_and_first_message(say: Any) -> None:
    said = facts(session_meta(), say(" first \n"), say("second"))

    assert (said.title, said.first_user_message, said.preview) == ("first", "first", "first")


@pytest.mark.parametrize(
    ("text", "request_text"),
    [
        ("# Files\na.py\n## My request for Codex:\nfix it\n", "fix it"),
        ("x ## My request for Codex:y ## My request for Codex: z", "y ## My request for Codex: z"),
        ("## my request for codex: x", "## my request for codex: x"),
    ],
)
def test_request_is_what_follows_the_first_mark(text: str, request_text: str) -> None:
    assert facts(session_meta(), user(text)).title == request_text


@pytest.mark.parametrize(
    "blank", [user(" \n"), user("ctx\n## My request for Codex:\n  "), user_item(""), event("user_message")]
)
def test_blank_message_sets_nothing(blank: bytes) -> None:
    assert facts(session_meta(), blank, user("words")).first_user_message == "words"


@pytest.mark.parametrize(
    ("attached", "shown"),
    [
        (user("", images=["data:x"]), "[Image]"),
        (user(" ", local_images=["/x.png"], audio=["y"]), "[Image]"),
        (user("", local_audio=["/x.wav"]), "[Audio]"),
        (completed("UserMessage", content=[{"type": "image", "image_url": "data:x"}]), "[Image]"),
        (completed("UserMessage", content=[{"type": "local_image", "path": "/x.png"}]), "[Image]"),
        (completed("UserMessage", content=[{"type": "audio"}]), "[Audio]"),
    ],
)
def test_message_without_words_is_named_by_what_it_carries_and_gives_no_title(attached: bytes, shown: str) -> None:
    alone = facts(session_meta(), attached)
    followed = facts(session_meta(), attached, user("words"))

    assert (alone.title, alone.first_user_message, alone.preview) == ("", shown, shown)
    assert (followed.title, followed.first_user_message, followed.preview) == ("words", shown, shown)


def test_parts_of_a_message_are_one_text() -> None:
    skill = {"type": "skill", "name": "s", "path": "/s"}
    content = [skill, {"type": "text", "text": " use "}, {"type": "image"}, {"type": "text", "text": "it"}]

    assert facts(session_meta(), completed("UserMessage", content=content)).title == "use it"


def test_goal_gives_the_preview_while_there_is_none() -> None:
    def goal(objective: str) -> bytes:
        return event("thread_goal_updated", threadId=THREAD, goal={"objective": objective})

    assert facts(session_meta(), goal(" \n"), goal(" aim "), goal("other")).preview == "aim"
    before = facts(session_meta(), goal("aim"), user("words"))
    assert (before.preview, before.title, before.first_user_message) == ("aim", "words", "words")
    assert facts(session_meta(), user("words"), goal("aim")).preview == "words"


def test_model_s_form_of_a_message_gives_no_title() -> None:
    assert facts(session_meta(), message("user", "hello")).title == ""


@pytest.mark.parametrize(
    "meaningless",
    [
        session_meta(second=9),
        turn_context(),
        token_count(5),
        line("token_usage_record", {}, second=9),
        line("world_state", {}, second=9),
        line("compacted", {"message": "m"}, second=9),
        line("no_such_kind", {}, second=9),
        response("reasoning", second=9),
        message("developer", "rules", second=9),
        event("task_started", second=9),
        event("task_complete", second=9),
        event("agent_reasoning", text="t", second=9),
        completed("Reasoning", second=9),
        b"\n",
        b"not JSON\n",
    ],
)
def test_meaningless_line_leaves_the_content_alone(meaningless: bytes) -> None:
    before, after = facts(session_meta(), user("x", second=1)), facts(session_meta(), user("x", second=1), meaningless)

    assert (after.content_lines, after.content_digest) == (before.content_lines, before.content_digest)
    assert after.content_at_ms == before.content_at_ms == stamp_ms(1)


@pytest.mark.parametrize("kind", sorted(MEANINGFUL))
def test_meaningful_line_moves_the_content(kind: bytes) -> None:
    envelope, _, rest = kind.decode().partition("/")
    payload, _, detail = rest.partition("/")
    text = {
        "": lambda: line(envelope, {"type": payload}, second=9),
        "message": lambda: message(detail, "x", second=9),
        "item_completed": lambda: completed(detail, second=9),
    }[payload if detail else ""]()
    before, after = facts(session_meta(), user("x")), facts(session_meta(), user("x"), text)

    assert after.content_lines == before.content_lines + 1
    assert after.content_digest != before.content_digest
    assert after.content_at_ms == stamp_ms(9)


@pytest.mark.parametrize(
    "changed", [agent("hellO"), agent("hello "), agent("hello", second=1), agent("hello") * 2, user("hello"), b""]
)
def test_digest_tells_contents_apart(changed: bytes) -> None:
    assert facts(session_meta(), agent("hello")).content_digest != facts(session_meta(), changed).content_digest


@pytest.mark.parametrize("end", ["d", "cc"])
def test_digest_notices_a_change_at_the_end_of_a_long_line(end: str) -> None:
    said = [facts(session_meta(), agent("a" * 1_000 + text)) for text in ("c", end)]

    assert said[0].content_digest != said[1].content_digest


def test_digest_notices_a_change_of_length_in_the_middle_of_a_long_line() -> None:
    digests = {facts(session_meta(), agent("a" * 500 + "b" * n + "c" * 500)).content_digest for n in (0, 1, 2)}

    assert len(digests) == 3


def test_content_is_dated_by_the_last_meaningful_line_that_has_a_date() -> None:
    undated = line("event_msg", {"type": "agent_message", "message": "x"}).replace(
        b"2026-11-20T10:01", b"2026-99-20T10:01"
    )
    stampless = written({"type": "event_msg", "payload": {"type": "agent_message", "message": "x"}})
    unusual = written(
        {"type": "event_msg", "timestamp": "2026-11-20T10:01:05Z", "payload": {"type": "agent_message", "message": "x"}}
    )

    assert facts(session_meta(), agent("x", second=1), undated, stampless).content_at_ms == stamp_ms(1)
    assert facts(session_meta(), agent("x", second=1), unusual, undated).content_at_ms == stamp_ms(5)
    assert facts(session_meta(), unusual, agent("x", second=9)).content_at_ms == stamp_ms(9)


@pytest.mark.parametrize(
    ("bad", "not_utf8", "malformed"),
    [
        (b"not JSON\n", 0, 1),
        (b'{"timestamp":"t","type":"event_msg","payload":{"type":"agent_message","mess\n', 0, 1),
        (b'{"timestamp":"t","type":"event_msg","payload":{"type":"user_message","message":7}}\n', 0, 1),
        (b'{"timestamp":"t","type":"event_msg","payload":{"type":"user_message","message":"\xff"}}\n', 1, 0),
        (b'{"timestamp":"t","type":"session_meta","payload":{"id":"no-uuid"}}\n', 0, 1),
        (b"\xff\xfe\n", 1, 0),
        (b"{}\n", 0, 1),
        (b'{"type":"no_such_kind"}\n', 0, 0),
        (b"\n \r\n\t\n", 0, 0),
    ],
)
def test_bad_line_costs_that_line(bad: bytes, not_utf8: int, malformed: int) -> None:
    state = fold(session_meta(), bad, user("words"))

    assert (state.lines_not_utf8, state.lines_malformed, state.lines_oversized) == (not_utf8, malformed, 0)
    assert state.first_user_message == "words"
    assert state.content_lines == 1


def test_bad_turn_context_changes_nothing() -> None:
    bad = turn_context(approval_policy="never", model="large").replace(b'"large"', b"7")

    assert facts(session_meta(), bad).approval_mode == "on-request"


def test_line_that_ends_in_a_carriage_return_is_a_line() -> None:
    lines = [text[:-1] + b"\r\n" for text in (session_meta(), user("words"), token_count(7))]

    assert facts(*lines).title == "words"
    assert facts(*lines).tokens_used == 7
    assert fold(*lines).lines_skipped == 0


def test_oversized_line_is_counted_with_its_kind_and_date() -> None:
    folded = Fold(FoldState())
    folded.take(session_meta())
    folded.take_oversized(agent("x" * 5_000, second=9)[:4_096], 20_000_000)
    folded.take_oversized(response("reasoning", text="x" * 5_000)[:4_096], 20_000_000)

    assert folded.state.lines_oversized == 2
    assert folded.state.content_lines == 1
    assert folded.state.content_at_ms == stamp_ms(9)


def test_digest_of_an_oversized_line_depends_on_its_length() -> None:
    def digest(length_bytes: int) -> bytes:
        folded = Fold(FoldState())
        folded.take_oversized(agent("x" * 5_000)[:4_096], length_bytes)
        return folded.state.content_digest

    assert digest(20_000_000) != digest(20_000_001)
