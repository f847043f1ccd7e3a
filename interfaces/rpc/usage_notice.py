"""What a thread has cost, as clients are told of it."""

from collections.abc import Mapping
from typing import Any

from state.live import LiveUsage

CONTEXT_WINDOW_TOKENS = 258_400
"""What Codex takes for a model that it does not know."""


def usage_updated(thread_id: str, usage: LiveUsage) -> tuple[str, dict[str, Any]]:
    """The notification: its method and its parameters."""
    tokens = {
        "total": _shown(usage.total),
        "last": _shown(usage.last),
        "modelContextWindow": CONTEXT_WINDOW_TOKENS,
    }
    return "thread/tokenUsage/updated", {"threadId": thread_id, "turnId": usage.turn_id, "tokenUsage": tokens}


def _shown(counts: Mapping[str, int]) -> dict[str, int]:
    return {
        "totalTokens": counts.get("total_tokens", 0),
        "inputTokens": counts.get("input_tokens", 0),
        "cachedInputTokens": counts.get("cached_input_tokens", 0),
        "cacheWriteInputTokens": counts.get("cache_write_input_tokens", 0),
        "outputTokens": counts.get("output_tokens", 0),
        "reasoningOutputTokens": counts.get("reasoning_output_tokens", 0),
    }
