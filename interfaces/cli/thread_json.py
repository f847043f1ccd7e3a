"""A thread as the command line shows it."""

from typing import Any

import attrs

from state.messages.threads import Thread
from state.rollouts import DynamicTool


def thread_json(thread: Thread, codex_home: str, tools: tuple[DynamicTool, ...] | None = None) -> dict[str, Any]:
    """A thread as the interface shows it: absolute path, seconds beside milliseconds, archived as a truth value."""
    row = attrs.asdict(thread)
    row["rollout_path"] = f"{codex_home}/{thread.rollout_path}"
    for name in ("created_at", "updated_at", "recency_at"):
        row[name] = row[f"{name}_ms"] // 1000
    row["archived"] = thread.archived_at_ms is not None
    row["archived_at"] = thread.archived_at_ms // 1000 if thread.archived_at_ms is not None else None
    if tools is not None:
        row["dynamic_tools"] = [{**attrs.asdict(tool), "defer_loading": bool(tool.defer_loading)} for tool in tools]
    return row
