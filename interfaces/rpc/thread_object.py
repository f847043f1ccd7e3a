"""A thread as clients see it: every member of today's app-server, in its order; what memoryd does not know is null."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from state.messages.threads import Thread
from state.rollouts.folders import absolute_folder

NOT_LOADED: Mapping[str, Any] = {"type": "notLoaded"}

_PLAIN_SOURCES = {"mcp": "appServer"}
"""Sources that clients know by another word."""

_KNOWN_SOURCES = frozenset({"cli", "vscode", "exec", "appServer", "unknown"})


def thread_object(
    thread: Thread,
    codex_home: Path,
    *,
    parent_thread_id: str | None = None,
    updated_at_ms: int | None = None,
    turns: list[dict[str, Any]] | None = None,
) -> dict[str, Any]:
    """The object of a thread that is not loaded.

    Args:
      parent_thread_id: shown where the listing was asked for somebody's children. Elsewhere clients see the parent of
        a thread that says who has started it; older ones name it inside their source alone.
      updated_at_ms: in the place of the row's.
    """
    if parent_thread_id is None and thread.thread_source is not None:
        parent_thread_id = thread.parent_thread_id
    updated_at_ms = thread.updated_at_ms if updated_at_ms is None else updated_at_ms
    source = source_object(thread.source)
    return {
        "id": thread.id,
        "environments": None,
        "extra": None,
        "sessionId": thread.id,
        "forkedFromId": thread.forked_from_id,
        "attachedToThreadId": None,
        "parentThreadId": parent_thread_id,
        "preview": thread.preview,
        "ephemeral": False,
        "section": None,
        "sectionEnteredAt": None,
        "projectId": None,
        "historyMode": thread.history_mode,
        "modelProvider": thread.model_provider,
        "model": thread.model,
        "reasoningEffort": thread.reasoning_effort,
        "createdAt": thread.created_at_ms // 1000,
        "updatedAt": updated_at_ms // 1000,
        "recencyAt": thread.recency_at_ms // 1000,
        "status": dict(NOT_LOADED),
        "path": str(codex_home / thread.rollout_path),
        "cwd": absolute_folder(thread.cwd),
        "cliVersion": thread.cli_version,
        "originator": thread.originator or None,
        "source": source,
        "canAcceptDirectInput": None,
        "threadSource": thread.thread_source,
        "agentNickname": _agent_member(source, "agent_nickname", thread.agent_nickname),
        "agentRole": _agent_member(source, "agent_role", thread.agent_role),
        "gitInfo": git_object(thread.git_sha, thread.git_branch, thread.git_origin_url),
        "name": shown_name(thread),
        "daybreakEnabled": None,
        "turns": [] if turns is None else turns,
    }


def shown_name(thread: Thread) -> str | None:
    """What somebody called the thread: its name, or a title that is not just its first message."""
    if thread.name is not None:
        return thread.name
    return thread.title if thread.title and thread.title != thread.first_user_message else None


def git_object(sha: str | None, branch: str | None, origin_url: str | None) -> dict[str, str | None] | None:
    """The three git members, or null when none is known."""
    if (sha, branch, origin_url) == (None, None, None):
        return None
    return {"sha": sha, "branch": branch, "originUrl": origin_url}


def source_object(source: str) -> Any:
    """Where a thread comes from: a word, or an object for sub-agents and programs of other names."""
    if source.startswith("{"):
        try:
            kind = json.loads(source)
        except ValueError:
            return "unknown"
        if not isinstance(kind, dict):
            return "unknown"
        if "subagent" in kind:
            return {"subAgent": _sub_agent(kind["subagent"])}
        return kind if "custom" in kind else "unknown"
    shown = _PLAIN_SOURCES.get(source, source)
    return shown if shown in _KNOWN_SOURCES else "unknown"


def _agent_member(source: Any, name: str, stored: str | None) -> Any:
    """What a sub-agent is called, by its own line or by the source that says who has started it; null for others."""
    kind = source.get("subAgent") if isinstance(source, dict) else None
    if kind is None:
        return None
    spawn = kind.get("thread_spawn") if isinstance(kind, dict) else None
    return stored if stored is not None or spawn is None else spawn[name]


def _sub_agent(kind: Any) -> Any:
    if isinstance(kind, dict) and isinstance(kind.get("thread_spawn"), dict):
        spawn = kind["thread_spawn"]
        optional = {name: spawn.get(name) for name in ("agent_path", "agent_nickname", "agent_role")}
        return {
            "thread_spawn": {
                "parent_thread_id": spawn.get("parent_thread_id"),
                "depth": spawn.get("depth", 0),
                **optional,
            }
        }
    return kind
