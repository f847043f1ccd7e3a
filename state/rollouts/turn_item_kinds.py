"""The items of newer rollouts, each kind by its name there."""

import os
import re
from collections.abc import Callable
from typing import Any

from state.rollouts.members import (
    Members,
    camel,
    milliseconds_of,
    number_or_none,
    objects_of,
    text_of,
    text_or_none,
    texts_of,
)
from state.rollouts.turn_items import (
    Item,
    agent_message,
    context_compaction,
    file_change,
    image_generation,
    input_part,
    path_of,
    plan,
    reasoning,
    sub_agent_activity,
    tool_call,
    user_message,
    web_search,
)

_SAFE = re.compile(r"[+\-./:@\]_0-9A-Za-z]")
_BARE, _SINGLE, _DOUBLE = 1, 2, 4


def item_of(told: Members) -> Item | None:
    """What an item of a newer rollout says; None for kinds that are not known.

    Raises:
      ValueError: a member is missing, or is not what it must be.
    """
    make = _ITEMS.get(text_of(told, "type"))
    return None if make is None else make(text_of(told, "id"), told)


def _user_message(item_id: str, told: Members) -> Item:
    return user_message(
        item_id, [input_part(part) for part in objects_of(told, "content")], text_or_none(told, "client_id")
    )


def _agent_message(item_id: str, told: Members) -> Item:
    text = "".join(text_of(part, "text") for part in objects_of(told, "content"))
    return agent_message(item_id, text, told)


def _hook_prompt(item_id: str, told: Members) -> Item:
    fragments = [
        {"text": text_of(part, "text"), "hookRunId": text_of(part, "hook_run_id", "hookRunId")}
        for part in objects_of(told, "fragments")
    ]
    return {"type": "hookPrompt", "id": item_id, "fragments": fragments}


def _command(item_id: str, told: Members) -> Item:
    cwd = path_of(text_of(told, "cwd"))
    return {
        "type": "commandExecution",
        "id": item_id,
        "pluginId": text_or_none(told, "plugin_id"),
        "scriptPath": text_or_none(told, "script_path"),
        "command": " ".join(quoted(word) for word in texts_of(told, "command")),
        "cwd": cwd,
        "processId": text_or_none(told, "process_id"),
        "source": camel(text_or_none(told, "source") or "agent"),
        "status": camel(text_of(told, "status")),
        "commandActions": [_action(part, cwd) for part in objects_of(told, "parsed_cmd")],
        "aggregatedOutput": text_or_none(told, "aggregated_output") or None,
        "exitCode": number_or_none(told, "exit_code"),
        "durationMs": milliseconds_of(told, "duration"),
    }


def quoted(word: str) -> str:
    """A word of a command as a shell would take it, in the style of the original's library.

    As much as goes is put into single quotes, and what cannot be there into double ones; nothing is quoted in vain.

    >>> quoted("ls")
    'ls'
    """
    if not word:
        return "''"
    pieces = []
    while word:
        length = 1 if word[0] == "^" else 0
        allowed = _SINGLE if length else _BARE | _SINGLE | _DOUBLE
        while length < len(word) and (still := allowed & _allowed(word[length])):
            allowed, length = still, length + 1
        piece, word = word[:length], word[length:]
        if allowed & _BARE:
            pieces.append(piece)
        elif allowed & _SINGLE:
            pieces.append(f"'{piece}'")
        else:
            pieces.append('"' + re.sub(r'(["\\])', r"\\\1", piece) + '"')
    return "".join(pieces)


def _allowed(character: str) -> int:
    """In which quotes a character may stand."""
    bare = _BARE if _SAFE.fullmatch(character) else 0
    single = 0 if character in "'^" else _SINGLE
    return bare | single | (0 if character in "`$!^" else _DOUBLE)


def _action(told: Members, cwd: str) -> Item:
    command = text_of(told, "cmd")
    match text_of(told, "type"):
        case "read":
            path = os.path.normpath(os.path.join(cwd, path_of(text_of(told, "path"))))
            return {"type": "read", "command": command, "name": text_of(told, "name"), "path": path}
        case "list_files":
            return {"type": "listFiles", "command": command, "path": text_or_none(told, "path")}
        case "search":
            where = {"query": text_or_none(told, "query"), "path": text_or_none(told, "path")}
            return {"type": "search", "command": command, **where}
        case _:
            return {"type": "unknown", "command": command}


def _dynamic_tool_call(item_id: str, told: Members) -> Item:
    content = told.get("content_items")
    return {
        "type": "dynamicToolCall",
        "id": item_id,
        "namespace": text_or_none(told, "namespace"),
        "tool": text_of(told, "tool"),
        "arguments": told.get("arguments"),
        "status": camel(text_of(told, "status")),
        "contentItems": None if content is None else objects_of(told, "content_items"),
        "success": told.get("success"),
        "durationMs": milliseconds_of(told, "duration"),
    }


def _collaboration(item_id: str, told: Members) -> Item:
    states = told.get("agents_states") or {}
    return {
        "type": "collabAgentToolCall",
        "id": item_id,
        "tool": camel(text_of(told, "tool")),
        "status": camel(text_of(told, "status")),
        "senderThreadId": text_of(told, "sender_thread_id"),
        "receiverThreadIds": texts_of(told, "receiver_thread_ids"),
        "prompt": text_or_none(told, "prompt"),
        "model": text_or_none(told, "model"),
        "reasoningEffort": text_or_none(told, "reasoning_effort"),
        "agentsStates": {agent: _agent_state(state) for agent, state in states.items()},
    }


def _agent_state(state: Any) -> Item:
    """How a sub-agent is: a word, or a word with what it said last."""
    if isinstance(state, dict) and len(state) == 1:
        ((word, message),) = state.items()
        return {"status": camel(word), "message": message}
    return {"status": camel(str(state)), "message": None}


_ITEMS: dict[str, Callable[[str, Members], Item]] = {
    "UserMessage": _user_message,
    "HookPrompt": _hook_prompt,
    "AgentMessage": _agent_message,
    "Plan": lambda item_id, told: plan(item_id, text_of(told, "text")),
    "Reasoning": lambda item_id, told: reasoning(
        item_id, texts_of(told, "summary_text"), texts_of(told, "raw_content")
    ),
    "CommandExecution": _command,
    "FileChange": file_change,
    "McpToolCall": tool_call,
    "DynamicToolCall": _dynamic_tool_call,
    "CollabAgentToolCall": _collaboration,
    "SubAgentActivity": sub_agent_activity,
    "WebSearch": web_search,
    "ImageView": lambda item_id, told: {"type": "imageView", "id": item_id, "path": path_of(text_of(told, "path"))},
    "Sleep": lambda item_id, told: {
        "type": "sleep",
        "id": item_id,
        "durationMs": number_or_none(told, "duration_ms"),
    },
    "ImageGeneration": image_generation,
    "EnteredReviewMode": lambda item_id, told: {
        "type": "enteredReviewMode",
        "id": item_id,
        "review": text_of(told, "review"),
    },
    "ExitedReviewMode": lambda item_id, told: {
        "type": "exitedReviewMode",
        "id": item_id,
        "review": text_of(told, "review"),
    },
    "ContextCompaction": lambda item_id, _: context_compaction(item_id),
}
