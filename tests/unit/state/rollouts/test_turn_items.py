"""Items say what Codex 0.169.0 shows of the same lines."""

from typing import Any

import pytest

from state.rollouts import turn_items
from state.rollouts.turn_item_kinds import item_of, quoted

DURATION = {"secs": 1, "nanos": 500_000_000}


def test_command_is_shown_as_a_shell_would_take_it() -> None:
    told = {
        "type": "CommandExecution",
        "id": "c",
        "process_id": "7",
        "command": ["/bin/bash", "-lc", "cat recipe.txt"],
        "cwd": "file:///home/ann/my%20shop",
        "parsed_cmd": [
            {"type": "read", "cmd": "cat recipe.txt", "name": "recipe.txt", "path": "recipe.txt"},
            {"type": "list_files", "cmd": "ls", "path": None},
            {"type": "search", "cmd": "rg x", "query": "x", "path": "d"},
            {"type": "unknown", "cmd": "true"},
        ],
        "source": "unified_exec_startup",
        "status": "completed",
        "aggregated_output": "flour\n",
        "exit_code": 0,
        "duration": DURATION,
    }
    assert item_of(told) == {
        "type": "commandExecution",
        "id": "c",
        "pluginId": None,
        "scriptPath": None,
        "command": "/bin/bash -lc 'cat recipe.txt'",
        "cwd": "/home/ann/my shop",
        "processId": "7",
        "source": "unifiedExecStartup",
        "status": "completed",
        "commandActions": [
            {
                "type": "read",
                "command": "cat recipe.txt",
                "name": "recipe.txt",
                "path": "/home/ann/my shop/recipe.txt",
            },
            {"type": "listFiles", "command": "ls", "path": None},
            {"type": "search", "command": "rg x", "query": "x", "path": "d"},
            {"type": "unknown", "command": "true"},
        ],
        "aggregatedOutput": "flour\n",
        "exitCode": 0,
        "durationMs": 1500,
    }


@pytest.mark.parametrize(
    ("word", "shown"),
    [
        ("ls", "ls"),
        ("", "''"),
        ("a b", "'a b'"),
        ("d'e", '"d\'e"'),
        ("a/b-c_d.e:f", "a/b-c_d.e:f"),
        ("a=b", "'a=b'"),
        ('say "it\'s"', '"say \\"it\'s\\""'),
        ("d'e $x", "\"d'e \"'$x'"),
        ("a^b", "a'^b'"),
    ],
)
def test_word_of_a_command_is_quoted_only_where_it_has_to_be(word: str, shown: str) -> None:
    assert quoted(word) == shown


def test_file_changes_are_shown_in_the_order_of_their_paths() -> None:
    changes = {
        "/w/d": {"type": "update", "unified_diff": "@@", "move_path": "/w/e"},
        "/w/a": {"type": "add", "content": "hello\n"},
    }
    item = turn_items.file_change("p", {"changes": changes, "status": "declined"})
    assert item["status"] == "declined"
    assert item["changes"] == [
        {"path": "/w/a", "kind": {"type": "add"}, "diff": "hello\n"},
        {"path": "/w/d", "kind": {"type": "update", "move_path": "/w/e"}, "diff": "@@\n\nMoved to: /w/e"},
    ]


@pytest.mark.parametrize(
    ("result", "status", "error"),
    [
        ({"Ok": {"content": []}}, "completed", None),
        ({"Ok": {"content": [], "isError": True}}, "failed", None),
        ({"Err": "bad"}, "failed", {"message": "bad"}),
    ],
)
def test_tool_call_says_how_it_ended(result: dict[str, Any], status: str, error: dict[str, str] | None) -> None:
    invocation = {"server": "s", "tool": "t", "arguments": {"a": 1}}
    item = turn_items.tool_call_of_event(
        {"call_id": "m", "invocation": invocation, "duration": DURATION, "result": result}
    )
    assert (item["status"], item["error"], item["durationMs"]) == (status, error, 1500)
    assert (item["arguments"], "mcpAppResourceUri" in item) == ({"a": 1}, False)


def test_user_message_holds_texts_and_pictures_but_no_blank_text() -> None:
    message = {
        "message": "  ",
        "images": ["u"],
        "image_details": ["high"],
        "local_images": ["/p"],
        "text_elements": [],
        "audio": ["a"],
    }
    assert turn_items.told_inputs(message) == [
        {"type": "image", "url": "u", "detail": "high"},
        {"type": "localImage", "detail": None, "path": "/p"},
        {"type": "audio", "url": "a"},
    ]


def test_hook_prompt_is_told_from_other_messages() -> None:
    text = '<hook_prompt hook_run_id="r1">Retry &amp; wait</hook_prompt>'
    message = {"id": "h", "content": [{"type": "input_text", "text": text}]}
    assert turn_items.hook_prompt(message) == {
        "type": "hookPrompt",
        "id": "h",
        "fragments": [{"text": "Retry & wait", "hookRunId": "r1"}],
    }
    assert turn_items.hook_prompt({"id": "h", "content": [{"type": "input_text", "text": "Retry"}]}) is None


def test_kind_that_nobody_knows_is_no_item() -> None:
    assert item_of({"type": "Dream", "id": "d"}) is None


def test_item_that_lacks_a_member_is_refused() -> None:
    with pytest.raises(ValueError, match="status"):
        item_of({"type": "FileChange", "id": "f", "changes": {}})
