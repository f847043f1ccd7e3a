"""A conversation holds everything that was said and done, each once, in order, and nothing else."""

from pathlib import Path
from typing import Any

import attrs
import pytest

from state.ids import ThreadId
from state.rollouts.conversation import WrongThreadError, read_conversation
from state.rollouts.model import Conversation, ConversationEvent, EventKind
from tests.unit.state.rollouts.transcript import (
    OTHER_THREAD,
    THREAD,
    agent,
    agent_item,
    completed,
    event,
    line,
    listed,
    message,
    response,
    session_meta,
    stamp_ms,
    token_count,
    unchanged,
    user,
    user_item,
    without_hunter,
    write_rollout,
    written,
)


@pytest.fixture
def converse(tmp_path: Path) -> "Converse":
    return Converse(tmp_path)


@attrs.frozen
class Converse:
    """Reads lines, under a session_meta of the test's thread, as a conversation."""

    codex_home: Path

    def __call__(self, *lines: bytes, meta: bytes = session_meta(), **limits: Any) -> Conversation:
        path = write_rollout(self.codex_home, meta + b"".join(lines))
        relative = listed(self.codex_home, path).path
        return read_conversation(self.codex_home, relative, THREAD, **{"redact": unchanged, **limits})

    def events(self, *lines: bytes) -> list[ConversationEvent]:
        return list(self(*lines).events)

    def said(self, *lines: bytes) -> list[tuple[EventKind, str]]:
        return [(happened.kind, happened.text) for happened in self.events(*lines)]


def function_call(name: str, arguments: str, call_id: str = "c1", **more: Any) -> bytes:
    return response("function_call", name=name, arguments=arguments, call_id=call_id, **more)


def call_output(output: Any, call_id: str = "c1", **more: Any) -> bytes:
    return response("function_call_output", call_id=call_id, output=output, **more)


USER, ASSISTANT, COMMAND, PATCH, TOOL = (
    EventKind.USER,
    EventKind.ASSISTANT,
    EventKind.COMMAND,
    EventKind.PATCH,
    EventKind.TOOL,
)

PATCH_TEXT = "*** Begin Patch\n*** Update File: a.txt\n@@\n-a\n+b\n*** Add File: sub/b.txt\n+c\n*** End Patch"


# What was said.


def test_event_names_its_line_and_time(converse: Converse) -> None:
    (happened,) = converse.events(b"\n", token_count(1), user("hello", second=9))

    assert happened == ConversationEvent(kind=USER, line=4, at_ms=stamp_ms(9), text="hello")


def test_legacy_message_is_one_event_although_it_stands_there_twice(converse: Converse) -> None:
    lines = [
        message("user", "<environment_context>x</environment_context>"),
        message("user", "hello"),
        user("hello"),
        agent("hi"),
        message("assistant", "hi"),
    ]

    assert converse.said(*lines) == [(USER, "hello"), (ASSISTANT, "hi")]


def test_paginated_message_is_one_event_although_it_stands_there_twice(converse: Converse) -> None:
    lines = [message("user", "hello"), user_item("hello"), agent_item("hi"), message("assistant", "hi")]

    assert converse.said(*lines) == [(USER, "hello"), (ASSISTANT, "hi")]


def test_message_in_both_forms_for_people_is_one_event(converse: Converse) -> None:
    lines = [user("hello"), user_item("hello"), agent_item("hi"), agent("hi"), user("hello"), user_item("hello")]

    assert converse.said(*lines) == [(USER, "hello"), (ASSISTANT, "hi"), (USER, "hello")]


def test_message_that_follows_both_of_its_forms_is_another_one(converse: Converse) -> None:
    assert converse.said(user("go on"), user_item("go on"), user_item("go on")) == [(USER, "go on"), (USER, "go on")]


def test_message_that_is_repeated_in_one_form_is_as_many_events(converse: Converse) -> None:
    assert converse.said(user("again"), user("again")) == [(USER, "again"), (USER, "again")]


def test_very_old_file_has_only_the_model_s_form(converse: Converse) -> None:
    lines = [
        message("user", "<environment_context>x</environment_context>"),
        message(
            "user", "# AGENTS.md instructions for /w\n<INSTRUCTIONS>x</INSTRUCTIONS>", "<skill>x</skill>", "hello "
        ),
        message("developer", "rules"),
        message("assistant", "hi"),
        message("user", "<turn_aborted>x</turn_aborted>"),
    ]

    assert converse.said(*lines) == [(USER, "hello"), (ASSISTANT, "hi")]


def test_injected_message_is_not_the_person_s_in_any_form(converse: Converse) -> None:
    lines = [
        user("<environment_context>x</environment_context>", kind="environment_context"),
        user("rules", kind="user_instructions"),
        user("<user_instructions>x</user_instructions>"),
        user("hello", kind="plain"),
    ]

    assert converse.said(*lines) == [(USER, "hello")]


def test_request_is_told_without_the_editor_s_context(converse: Converse) -> None:
    assert converse.said(user("# Files\na.py\n## My request for Codex:\nfix it\n")) == [(USER, "fix it")]


def test_message_without_words_is_told_by_what_it_carries(converse: Converse) -> None:
    assert converse.said(user("", images=["data:x"]), user(" "), agent(" ")) == [(USER, "[Image]")]


@pytest.mark.parametrize(
    "unheard",
    [
        message("developer", "rules"),
        response("reasoning", summary=[]),
        event("agent_reasoning", text="hm"),
        completed("Reasoning", summary_text=["hm"]),
        line("compacted", {"message": "earlier"}),
        line("world_state", {}),
        token_count(3),
        line("no_such_kind", {}),
        event("no_such_event"),
        b"not JSON\n",
        b"\xff\n",
        event("user_message", message=7),
        written({"type": "event_msg", "payload": None}),
    ],
)
def test_what_is_no_part_of_the_conversation_is_left_out(converse: Converse, unheard: bytes) -> None:
    assert converse.said(unheard, user("hello")) == [(USER, "hello")]


def test_order_of_keys_does_not_matter(converse: Converse) -> None:
    text = written({"payload": {"message": "hello", "type": "user_message"}, "type": "event_msg"})
    (happened,) = converse.events(text)

    assert (happened.text, happened.at_ms) == ("hello", None)


def test_last_line_counts_without_its_line_feed_if_it_is_whole(converse: Converse) -> None:
    assert converse.said(user("hello")[:-1]) == [(USER, "hello")]
    assert converse.said(user("hello"), agent("hi")[:-5]) == [(USER, "hello")]


# What was done.


def test_command_is_its_call_and_its_output(converse: Converse) -> None:
    (happened,) = converse.events(
        function_call("exec_command", '{"cmd":"make test","workdir":"/w"}', second=3),
        call_output("Wall time: 1 s\nProcess exited with code 2\nOutput:\nfailed\n"),
    )

    assert happened == ConversationEvent(
        kind=COMMAND, line=2, at_ms=stamp_ms(3), text="make test", output="failed\n", exit_code=2, cwd="/w"
    )


@pytest.mark.parametrize(
    "call",
    [
        function_call("shell", '{"command":["bash","-lc","make test"],"workdir":"/w"}'),
        function_call("shell_command", '{"command":"make test","workdir":"/w"}'),
        response(
            "local_shell_call",
            call_id="c1",
            action={"type": "exec", "command": ["bash", "-lc", "make test"], "working_directory": "/w"},
        ),
    ],
)
def test_every_shell_tool_calls_a_command(converse: Converse, call: bytes) -> None:
    (happened,) = converse.events(call, call_output('{"output":"ok","metadata":{"exit_code":0}}'))

    assert (happened.kind, happened.text, happened.cwd) == (COMMAND, "make test", "/w")
    assert (happened.output, happened.exit_code) == ("ok", 0)


COMMAND_END: dict[str, Any] = {
    "command": ["/bin/bash", "-lc", "make test"],
    "cwd": "file:///w",
    "aggregated_output": "failed\n",
    "exit_code": 2,
}


@pytest.mark.parametrize(
    "end",
    [completed("CommandExecution", id="c1", **COMMAND_END), event("exec_command_end", call_id="c1", **COMMAND_END)],
)
@pytest.mark.parametrize("order", [(0, 1, 2), (0, 2, 1), (1, 0, 2), (1, 2, 0)])
def test_end_of_a_command_is_believed_whatever_comes_first(
    converse: Converse, end: bytes, order: tuple[int, ...]
) -> None:
    call = function_call("exec_command", '{"cmd":"make test"}')
    output = call_output("Process exited with code 0\nOutput:\ncut short")
    (happened,) = converse.events(*([call, end, output][place] for place in order))

    assert (happened.kind, happened.text, happened.output) == (COMMAND, "make test", "failed\n")
    assert (happened.exit_code, happened.cwd) == (2, "/w")


def test_command_without_its_call_is_told_by_its_end(converse: Converse) -> None:
    assert converse.said(completed("CommandExecution", id="c1", **COMMAND_END)) == [(COMMAND, "make test")]


def test_command_that_goes_on_ends_where_it_is_looked_at_again(converse: Converse) -> None:
    (happened,) = converse.events(
        function_call("exec_command", '{"cmd":"make test"}'),
        call_output("Wall time: 1 s\nProcess running with session ID 7\nOutput:\none\n"),
        function_call("write_stdin", '{"session_id":7,"chars":""}', call_id="c2"),
        call_output("Wall time: 1 s\nProcess running with session ID 7\nOutput:\ntwo\n", call_id="c2"),
        function_call("write_stdin", '{"session_id":7,"chars":""}', call_id="c3"),
        call_output("Wall time: 1 s\nProcess exited with code 4\nOutput:\nthree\n", call_id="c3"),
    )

    assert (happened.text, happened.output, happened.exit_code) == ("make test", "one\ntwo\nthree\n", 4)


def test_look_at_a_command_that_was_given_up_is_a_tool_call(converse: Converse) -> None:
    talk = converse(
        function_call("exec_command", '{"cmd":"make test"}'),
        call_output("Process running with session ID 7\nOutput:\none\n"),
        *[user(str(number)) for number in range(2)],
        function_call("write_stdin", '{"session_id":7}', call_id="c2"),
        call_output("Process exited with code 4\nOutput:\ntwo\n", call_id="c2"),
        events_max=1,
    )

    assert [each.text for each in talk.events] == ["1"]
    assert talk.omitted_events == 3


def test_look_at_an_unknown_process_is_a_tool_call(converse: Converse) -> None:
    lines = [function_call("write_stdin", '{"session_id":7,"chars":""}'), call_output("write_stdin failed")]

    assert converse.said(*lines) == [(TOOL, "write_stdin")]


def test_look_at_a_running_command_is_not_another_command(converse: Converse) -> None:
    interaction = completed("CommandExecution", id="c2", **{**COMMAND_END, "source": "unified_exec_interaction"})

    assert converse.said(completed("CommandExecution", id="c1", **COMMAND_END), interaction) == [(COMMAND, "make test")]


def test_call_id_that_is_used_again_begins_another_command(converse: Converse) -> None:
    happened = converse.events(
        function_call("shell", '{"command":"one"}'),
        call_output("Exit code: 1\nOutput:\nfirst"),
        function_call("shell", '{"command":"two"}'),
        call_output("Exit code: 0\nOutput:\nsecond"),
    )

    assert [(each.text, each.output, each.exit_code) for each in happened] == [
        ("one", "first", 1),
        ("two", "second", 0),
    ]


def test_output_without_its_call_is_left_out(converse: Converse) -> None:
    assert converse.said(call_output("text"), call_output("text", call_id="")) == []


@pytest.mark.parametrize(
    "call",
    [
        response("custom_tool_call", name="apply_patch", input=PATCH_TEXT, call_id="c1"),
        function_call("apply_patch", written({"input": PATCH_TEXT}).decode()),
        function_call("exec_command", written({"cmd": f"apply_patch <<'EOF'\n{PATCH_TEXT}\nEOF\n"}).decode()),
        function_call("shell", written({"command": ["apply_patch", PATCH_TEXT]}).decode()),
    ],
)
@pytest.mark.parametrize(
    ("output", "succeeded"),
    [
        ("Exit code: 0\nWall time: 0 seconds\nOutput:\nSuccess. Updated the following files:\nM a.txt\n", True),
        ("apply_patch verification failed: no such file", False),
    ],
)
def test_patch_is_known_by_its_tool_or_its_command(
    converse: Converse, call: bytes, output: str, succeeded: bool
) -> None:
    (happened,) = converse.events(call, call_output(output))

    assert (happened.kind, happened.files, happened.succeeded) == (PATCH, ("a.txt", "sub/b.txt"), succeeded)
    assert happened.text == ""


PATCH_END: dict[str, Any] = {
    "changes": {"/w/b": {"type": "add"}, "/w/a": {"type": "update"}},
    "stdout": "done\n",
    "stderr": "!",
}


@pytest.mark.parametrize(
    ("end", "succeeded"),
    [
        (event("patch_apply_end", call_id="c1", success=True, **PATCH_END), True),
        (event("patch_apply_end", call_id="c1", success=False, **PATCH_END), False),
        (completed("FileChange", id="c1", status="completed", **PATCH_END), True),
        (completed("FileChange", id="c1", status="declined", **PATCH_END), False),
        (completed("FileChange", id="c1", **PATCH_END), None),
    ],
)
def test_end_of_a_patch_says_its_files_when_nothing_else_does(
    converse: Converse, end: bytes, succeeded: bool | None
) -> None:
    (alone,) = converse.events(end)
    (called,) = converse.events(
        response("custom_tool_call", name="apply_patch", input=PATCH_TEXT, call_id="c1"), end, call_output("cut short")
    )

    assert (alone.kind, alone.files, alone.output, alone.succeeded) == (PATCH, ("/w/a", "/w/b"), "done\n!", succeeded)
    assert (called.files, called.output, called.succeeded) == (("a.txt", "sub/b.txt"), "done\n!", succeeded)


def test_patch_inside_a_command_succeeds_as_the_command_does(converse: Converse) -> None:
    call = function_call("exec_command", written({"cmd": f"apply_patch <<'EOF'\n{PATCH_TEXT}\nEOF\n"}).decode())
    (happened,) = converse.events(call, completed("CommandExecution", id="c1", **COMMAND_END))

    assert (happened.kind, happened.succeeded, happened.files) == (PATCH, False, ("a.txt", "sub/b.txt"))


@pytest.mark.parametrize(
    ("output", "printed"),
    [
        ("text", "text"),
        ([{"type": "input_text", "text": "Wall time: 0 seconds\nOutput:"}, {"type": "input_text", "text": "x"}], "x"),
        ([{"type": "input_image", "image_url": "data:x"}], ""),
        ({"content": "text", "success": True}, "text"),
        (None, ""),
    ],
)
def test_output_of_a_tool_has_many_forms(converse: Converse, output: object, printed: str) -> None:
    (happened,) = converse.events(function_call("look_up", "{}"), call_output(output))

    assert (happened.kind, happened.text, happened.output) == (TOOL, "look_up", printed)


def test_output_that_is_not_understood_leaves_the_call(converse: Converse) -> None:
    (happened,) = converse.events(function_call("look_up", "{}"), call_output(7))

    assert (happened.text, happened.output, happened.succeeded) == ("look_up", "", None)


def test_output_may_say_that_the_call_failed(converse: Converse) -> None:
    (happened,) = converse.events(function_call("look_up", "{}"), call_output({"content": "no", "success": False}))

    assert happened.succeeded is False


INVOCATION = {"server": "srv", "tool": "echo"}
ECHO = {"content": [{"type": "text", "text": "echoed"}], "isError": False}


@pytest.mark.parametrize(
    ("end", "output", "succeeded"),
    [
        (completed("McpToolCall", id="c1", server="srv", tool="echo", status="completed", result=ECHO), "echoed", True),
        (completed("McpToolCall", id="c1", server="srv", tool="echo", error={"message": "no"}), "no", False),
        (
            completed("McpToolCall", id="c1", server="srv", tool="echo", result={**ECHO, "isError": True}),
            "echoed",
            False,
        ),
        (
            event("mcp_tool_call_end", call_id="c1", invocation=INVOCATION, result={"Ok": ECHO}),
            "echoed",
            True,
        ),
        (
            event(
                "mcp_tool_call_end", call_id="c1", invocation={"server": "srv", "tool": "echo"}, result={"Err": "no"}
            ),
            "no",
            False,
        ),
    ],
)
def test_call_of_a_server_s_tool_is_one_event(converse: Converse, end: bytes, output: str, succeeded: bool) -> None:
    (alone,) = converse.events(end)
    (called,) = converse.events(
        function_call("echo", "{}", namespace="mcp__srv"), end, call_output("Wall time: 0 s\nOutput:\nechoed")
    )

    assert (alone.kind, alone.text, alone.output, alone.succeeded) == (TOOL, "mcp__srv__echo", output, succeeded)
    assert (called.text, called.output, called.succeeded) == ("mcp__srv__echo", output, succeeded)


def test_searches_are_tool_calls(converse: Converse) -> None:
    happened = converse.events(
        response("web_search_call", id="ws", status="completed", action={"type": "search", "query": "what is it"}),
        response("web_search_call", action={"type": "open_page", "url": "https://example.com"}),
        response("web_search_call"),
        response("tool_search_call", call_id="c1", arguments={}),
        response("tool_search_output", call_id="c1", tools=[{"name": "look_up"}]),
    )

    assert [(each.kind, each.text, each.output) for each in happened] == [
        (TOOL, "web_search", "what is it"),
        (TOOL, "web_search", "https://example.com"),
        (TOOL, "web_search", ""),
        (TOOL, "tool_search", '[{"name":"look_up"}]'),
    ]


# The conversation as a whole.


@pytest.mark.parametrize(
    ("marks", "ended"),
    [
        ([], "open"),
        ([event("task_started")], "open"),
        ([event("task_started"), event("task_complete", error=None)], "completed"),
        ([event("turn_started"), event("turn_complete")], "completed"),
        ([event("task_started"), event("task_complete", error={"message": "busy"})], "failed"),
        ([event("task_started"), event("turn_aborted", reason="interrupted")], "aborted"),
        ([event("task_complete"), event("task_started")], "open"),
        ([event("task_complete"), event("task_started")[:-3]], "completed"),
    ],
)
def test_conversation_ended_as_its_last_turn_did(converse: Converse, marks: list[bytes], ended: str) -> None:
    assert converse(*marks).ended == ended


def test_conversation_has_the_folder_and_branch_of_the_thread(converse: Converse) -> None:
    meta = session_meta(cwd="", git={"branch": "main"})
    context = line("turn_context", {"turn_id": "t", "cwd": "/turn"})
    patched = session_meta(git={"branch": "next"})

    assert (converse(context, meta=meta).cwd, converse(context, meta=meta).git_branch) == ("/turn", "main")
    assert converse(patched, meta=meta).git_branch == "next"


def test_copied_session_of_a_fork_is_not_told(converse: Converse) -> None:
    talk = converse(session_meta(OTHER_THREAD, cwd="/parent"), user("hello"))

    assert (talk.thread_id, talk.cwd, talk.events) == (THREAD, "/home/ann/shop", ())


def test_file_of_another_thread_is_refused(tmp_path: Path) -> None:
    write_rollout(tmp_path, session_meta(OTHER_THREAD) + session_meta() + user("hello"), name="rollout-x.jsonl")
    with pytest.raises(WrongThreadError, match="another thread"):
        read_conversation(tmp_path, "sessions/2026/11/20/rollout-x.jsonl", THREAD, redact=unchanged)


@pytest.mark.parametrize(("thread_id", "is_refused"), [(THREAD, False), (OTHER_THREAD, True)])
def test_without_session_meta_the_name_says_whose_file_it_is(
    tmp_path: Path, thread_id: ThreadId, is_refused: bool
) -> None:
    path = listed(tmp_path, write_rollout(tmp_path, user("hello"))).path
    if is_refused:
        with pytest.raises(WrongThreadError):
            read_conversation(tmp_path, path, thread_id, redact=unchanged)
    else:
        assert len(read_conversation(tmp_path, path, thread_id, redact=unchanged).events) == 1


def test_file_that_names_no_thread_is_refused(tmp_path: Path) -> None:
    path = listed(tmp_path, write_rollout(tmp_path, user("hello"), name="rollout-x.jsonl")).path
    with pytest.raises(WrongThreadError, match="of no or another thread"):
        read_conversation(tmp_path, path, THREAD, redact=unchanged)


def test_no_secret_is_in_a_conversation(converse: Converse) -> None:
    secret = "pass hunter2 on"
    talk = converse(
        user(secret),
        agent(secret),
        function_call("exec_command", written({"cmd": f"echo {secret}", "workdir": f"/{secret}"}).decode()),
        call_output(secret),
        function_call(secret, "{}", call_id="c2"),
        response("custom_tool_call", name="apply_patch", input=f"*** Add File: {secret}", call_id="c3"),
        completed("FileChange", id="c4", changes={secret: {}}, stdout=secret),
        completed("McpToolCall", id="c5", server=secret, tool="t", error={"message": secret}),
        completed("CommandExecution", id="c6", command=secret, cwd=f"/{secret}", aggregated_output=secret),
        response("web_search_call", action={"query": secret}),
        meta=session_meta(cwd=f"/{secret}", git={"branch": secret}),
        redact=without_hunter,
    )

    assert len(talk.events) == 9
    assert "hunter2" not in repr(talk)


def test_equal_conversation_has_an_equal_digest(converse: Converse) -> None:
    talk = converse(user("hello"), agent("hi"))
    rewritten = converse(b"\n", token_count(3), user("hello", second=30), message("assistant", "hi"), agent("hi"))
    moved = converse(user("hello"), agent("hi"), meta=session_meta(cwd="/elsewhere"))

    assert talk.input_digest == rewritten.input_digest == moved.input_digest
    assert talk.events != rewritten.events


def _ended(exit_code: int, output: str) -> bytes:
    return completed("CommandExecution", id="c", command="make", exit_code=exit_code, aggregated_output=output)


@pytest.mark.parametrize(
    "lines",
    [
        [user("hello"), _ended(1, "x")],
        [user("hello"), _ended(0, "y")],
        [user("hellO"), _ended(0, "x")],
        [agent("hello"), _ended(0, "x")],
        [_ended(0, "x"), user("hello")],
        [user("hello"), _ended(0, "x"), event("task_complete")],
        [user("hello"), _ended(0, "x"), agent("hi")],
        [user("hello")],
    ],
)
def test_other_conversation_has_another_digest(converse: Converse, lines: list[bytes]) -> None:
    assert converse(*lines).input_digest != converse(user("hello"), _ended(0, "x")).input_digest


def test_texts_and_outputs_are_cut_to_their_bounds(converse: Converse) -> None:
    talk = converse(
        user("u" * 1_000),
        function_call("exec_command", '{"cmd":"make"}'),
        call_output("o" * 1_000),
        text_chars_max=100,
        output_chars_max=200,
    )

    assert [(len(each.text), len(each.output)) for each in talk.events] == [(100, 0), (4, 200)]


def test_events_are_bounded_and_what_is_left_out_is_counted(converse: Converse) -> None:
    calls = [function_call("look_up", "{}", call_id=str(number)) for number in range(50)]
    talk = converse(user("first"), *calls, user("last"), events_max=10)

    assert [each.text for each in talk.events] == ["first", *["look_up"] * 8, "last"]
    assert talk.omitted_events == 42


def test_oversized_line_is_an_omitted_event(converse: Converse) -> None:
    talk = converse(agent("x" * (17 << 20)), response("reasoning", text="x" * (17 << 20)), user("hello"))

    assert [(each.kind, each.line) for each in talk.events] == [(USER, 4)]
    assert talk.omitted_events == 1
