"""One item of a turn as clients of the app-server see it: every member of it, what is not known is null.

Two writers: older rollouts say what was done in an event of its own kind each, newer ones in items. What they have in
common is made here once.
"""

import re
from typing import Any
from urllib.parse import unquote
from xml.sax.saxutils import unescape

from state.rollouts.members import (
    Members,
    camel,
    list_of,
    milliseconds_of,
    number_or_none,
    object_of,
    objects_of,
    text_of,
    text_or_none,
    texts_of,
)

Item = dict[str, Any]

PARTIAL_ANSWER, FINAL_ANSWER = "partial_answer", "final_answer"
PHASES = ("commentary", PARTIAL_ANSWER, FINAL_ANSWER)
REVIEW_WANTED = "Review requested."
REVIEW_FAILED = "Reviewer failed to output a response."

_FILE_URL = "file://"
_HOOK_PROMPT = re.compile(r"<hook_prompt hook_run_id=\"([^\"]*)\">(.*)</hook_prompt>", re.DOTALL)


def timed(item: Item, started_at_ms: int | None = None, completed_at_ms: int | None = None) -> Item:
    """The item with its times, which older rollouts do not tell."""
    return {**item, "startedAtMs": started_at_ms, "completedAtMs": completed_at_ms}


def user_message(item_id: str, content: list[Item], client_id: str | None) -> Item:
    """What the person said."""
    return {"type": "userMessage", "id": item_id, "clientId": client_id, "content": content}


def told_inputs(message: Members) -> list[Item]:
    """What an older rollout's user message holds."""
    text = text_of(message, "message")
    content: list[Item] = []
    if text.strip():
        content.append(input_part({"type": "text", "text": text, "text_elements": list_of(message, "text_elements")}))
    for kind, key, list_name, details in (
        ("image", "image_url", "images", "image_details"),
        ("local_image", "path", "local_images", "local_image_details"),
    ):
        fidelity = list_of(message, details)
        for number, where in enumerate(texts_of(message, list_name)):
            detail = fidelity[number] if number < len(fidelity) else None
            content.append(input_part({"type": kind, key: where, "detail": detail}))
    content += [input_part({"type": "audio", "audio_url": where}) for where in texts_of(message, "audio")]
    content += [input_part({"type": "local_audio", "path": where}) for where in texts_of(message, "local_audio")]
    return content


def agent_message(item_id: str, text: str, members: Members) -> Item:
    """What the model said."""
    phase = text_or_none(members, "phase")
    if phase is not None and phase not in PHASES:
        raise ValueError("a phase that nobody knows")
    return {
        "type": "agentMessage",
        "moderation": None,
        "id": item_id,
        "text": text,
        "phase": phase,
        "memoryCitation": _citation(members),
        "delivery": None,
        "questions": None,
    }


def reasoning(item_id: str, summary: list[str], content: list[str]) -> Item:
    """What the model thought."""
    return {"type": "reasoning", "id": item_id, "summary": summary, "content": content}


def file_change(item_id: str, members: Members) -> Item:
    """Files that were written, in the order of their paths."""
    changes = [
        _file_change(path, change)
        for path, change in sorted(object_of(members, "changes").items(), key=lambda one: one[0])
    ]
    status = camel(text_of(members, "status"))
    return {"type": "fileChange", "id": item_id, "changes": changes, "status": status}


def tool_call_of_event(event: Members) -> Item:
    """A call of a tool of a connected server, which has ended."""
    told = object_of(event, "result")
    if "Ok" in told:
        result, error = object_of(told, "Ok"), None
        is_failed = result.get("isError") is True
    else:
        result, error = None, {"message": text_of(told, "Err")}
        is_failed = True
    call = {**object_of(event, "invocation"), "status": "failed" if is_failed else "completed", "error": error}
    return tool_call(text_of(event, "call_id"), {**event, **call, "result": result})


def web_search(item_id: str, members: Members) -> Item:
    """A look into the web."""
    action = object_of(members, "action")
    kind = camel(text_of(action, "type"))
    names = {"search": ("query", "queries"), "openPage": ("url",), "findInPage": ("url", "pattern")}.get(kind)
    shown: Item = {"type": kind, **{name: action.get(name) for name in names}} if names else {"type": "other"}
    query = text_of(members, "query")
    return {"type": "webSearch", "id": item_id, "query": query, "action": shown, "results": members.get("results")}


def image_generation(item_id: str, members: Members) -> Item:
    """A picture that was made."""
    saved = text_or_none(members, "saved_path")
    return {
        "type": "imageGeneration",
        "id": item_id,
        "status": text_of(members, "status"),
        "revisedPrompt": text_or_none(members, "revised_prompt"),
        "result": text_of(members, "result"),
        "transparentBackground": members.get("transparent_background"),
        "failure": members.get("failure"),
        **({} if saved is None else {"savedPath": path_of(saved)}),
        "generationId": text_or_none(members, "generation_id"),
    }


def sub_agent_activity(item_id: str, members: Members) -> Item:
    """Something that a sub-agent did."""
    return {
        "type": "subAgentActivity",
        "model": text_or_none(members, "model"),
        "reasoningEffort": text_or_none(members, "reasoning_effort"),
        "id": item_id,
        "kind": camel(text_of(members, "kind")),
        "agentThreadId": text_of(members, "agent_thread_id"),
        "agentPath": text_of(members, "agent_path"),
    }


def entered_review(item_id: str, event: Members) -> Item:
    """A review began."""
    object_of(event, "target")
    review = text_or_none(event, "user_facing_hint")
    return {"type": "enteredReviewMode", "id": item_id, "review": REVIEW_WANTED if review is None else review}


def exited_review(item_id: str, event: Members) -> Item:
    """A review ended."""
    output = event.get("review_output")
    told = "" if output is None else text_of(object_of(event, "review_output"), "overall_explanation").strip()
    return {"type": "exitedReviewMode", "id": item_id, "review": told or REVIEW_FAILED}


def context_compaction(item_id: str) -> Item:
    """The conversation was made shorter."""
    return {"type": "contextCompaction", "id": item_id}


def plan(item_id: str, text: str) -> Item:
    """A plan that the model proposed."""
    return {"type": "plan", "id": item_id, "text": text}


def hook_prompt(message: Members) -> Item | None:
    """What a hook told the model; None for any other message."""
    found = [_HOOK_PROMPT.fullmatch(str(part.get("text", "")).strip()) for part in objects_of(message, "content")]
    fragments = [{"text": unescape(one[2]), "hookRunId": unescape(one[1])} for one in found if one is not None]
    if not fragments:
        return None
    return {"type": "hookPrompt", "id": text_of(message, "id"), "fragments": fragments}


def _file_change(path: str, change: Any) -> Item:
    if not isinstance(change, dict):
        raise ValueError("a change is no object")
    kind = text_of(change, "type")
    if kind != "update":
        return {"path": path, "kind": {"type": kind}, "diff": text_of(change, "content")}
    diff, moved = text_of(change, "unified_diff"), text_or_none(change, "move_path")
    shown = diff if moved is None else f"{diff}\n\nMoved to: {moved}"
    return {"path": path, "kind": {"type": "update", "move_path": moved}, "diff": shown}


def tool_call(item_id: str, told: Members) -> Item:
    """A call of a tool of a connected server."""
    resource, connector = text_or_none(told, "mcp_app_resource_uri"), text_or_none(told, "connector_id")
    context = None
    if connector is not None:
        names = {"appName": text_or_none(told, "app_name"), "actionName": text_or_none(told, "action_name")}
        link = text_or_none(told, "link_id")
        context = {"connectorId": connector, "linkId": link, "resourceUri": resource, **names}
    result = told.get("result")
    if isinstance(result, dict):
        members = {name: result.get(name) for name in ("structuredContent", "_meta")}
        result = {"content": list_of(result, "content"), **members}
    error = told.get("error")
    return {
        "type": "mcpToolCall",
        "id": item_id,
        "server": text_of(told, "server"),
        "tool": text_of(told, "tool"),
        "status": camel(text_of(told, "status")),
        "arguments": told.get("arguments"),
        "appContext": context,
        **({} if resource is None else {"mcpAppResourceUri": resource}),
        "mcpAppUi": told.get("mcp_app_ui"),
        "pluginId": text_or_none(told, "plugin_id"),
        "readOnlyHint": told.get("read_only_hint"),
        "result": result,
        "error": {"message": text_of(error, "message")} if isinstance(error, dict) else None,
        "durationMs": milliseconds_of(told, "duration"),
    }


def input_part(told: Members) -> Item:
    """A part of what the person said. Writers name kinds in either case of letters."""
    detail = {"detail": text_or_none(told, "detail")}
    match camel(text_of(told, "type")):
        case "text":
            elements = [_text_element(part) for part in objects_of(told, "text_elements", "textElements")]
            return {"type": "text", "text": text_of(told, "text"), "text_elements": elements}
        case "image":
            return {"type": "image", "url": text_of(told, "image_url", "url"), **detail}
        case "localImage":
            return {"type": "localImage", **detail, "path": text_of(told, "path")}
        case "audio":
            return {"type": "audio", "url": text_of(told, "audio_url", "url")}
        case "localAudio":
            return {"type": "localAudio", "path": text_of(told, "path")}
        case kind:
            return {"type": kind, "name": text_of(told, "name"), "path": text_of(told, "path")}


def _text_element(told: Members) -> Item:
    span = object_of(told, "byte_range", "byteRange")
    shown = {"start": number_or_none(span, "start"), "end": number_or_none(span, "end")}
    return {"byteRange": shown, "placeholder": text_or_none(told, "placeholder")}


def _citation(members: Members) -> Item | None:
    told = members.get("memory_citation")
    if told is None:
        return None
    told = object_of(members, "memory_citation")
    entries = [
        {
            "path": text_of(entry, "path"),
            "lineStart": number_or_none(entry, "lineStart"),
            "lineEnd": number_or_none(entry, "lineEnd"),
            "note": text_of(entry, "note"),
        }
        for entry in objects_of(told, "entries")
    ]
    if "rolloutIds" not in told:
        raise ValueError("a citation without the threads that it cites")
    return {"entries": entries, "threadIds": texts_of(told, "rolloutIds")}


def path_of(text: str) -> str:
    """A path, written as one or as the URL of a file."""
    return unquote(text[len(_FILE_URL) :]) if text.startswith(f"{_FILE_URL}/") else text
