"""The words for threads that are live in this process: between who runs them and who answers clients about them.

A live thread is *loaded*; it has a rollout only once something was said in it, or it is ephemeral and never has one.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

import attrs

from state.ids import ThreadId
from state.messages.threads import Thread

Tell = Callable[[str, Any], Awaitable[None]]
"""Tells one client: the notification's method and its parameters, as they stand on the line."""

LEGACY, PAGINATED = "legacy", "paginated"

CONTEXT_WINDOW_TOKENS = 258_400
"""What Codex takes for a model that it does not know."""


@attrs.frozen(kw_only=True)
class LiveSettings:
    """How a thread's turns are run.

    Attributes:
      approval_policy: as the client gave it; nothing ever asks for an approval here.
      sandbox_mode: "read-only", "workspace-write" or "danger-full-access"; said and recorded, never used: no tool runs.
      base_instructions, developer_instructions: None for memoryd's own, and for none.
    """

    model: str
    model_provider: str
    cwd: str
    approval_policy: Any = "on-request"
    sandbox_mode: str = "read-only"
    reasoning_effort: str | None = None
    base_instructions: str | None = None
    developer_instructions: str | None = None

    def environments(self) -> list[dict[str, Any]]:
        """Where turns would run commands, if they ran any; the app-server's objects."""
        return [{"environmentId": "local", "cwd": self.cwd, "runtimeWorkspaceRoots": [self.cwd]}]

    def collaboration_mode(self) -> dict[str, Any]:
        """The one way of working together that there is; the app-server's object, and the rollout's."""
        return {
            "mode": "default",
            "settings": {
                "model": self.model,
                "reasoning_effort": self.reasoning_effort,
                "developer_instructions": self.developer_instructions,
            },
        }

    def changed(self, changes: Mapping[str, Any]) -> "LiveSettings":
        """The same with these; what is None stays."""
        return attrs.evolve(self, **{name: value for name, value in changes.items() if value is not None})


@attrs.frozen(kw_only=True)
class LiveUsage:
    """What a thread's turns have cost so far, as its rollout counts it. turn_id: of the last one that was counted."""

    total: Mapping[str, int]
    last: Mapping[str, int]
    turn_id: str

    def notice(self, thread_id: str) -> tuple[str, dict[str, Any]]:
        """How clients are told of it: the notification's method and its parameters."""
        tokens = {
            "total": _shown(self.total),
            "last": _shown(self.last),
            "modelContextWindow": CONTEXT_WINDOW_TOKENS,
        }
        return "thread/tokenUsage/updated", {"threadId": thread_id, "turnId": self.turn_id, "tokenUsage": tokens}


def _shown(counts: Mapping[str, int]) -> dict[str, int]:
    return {
        "totalTokens": counts.get("total_tokens", 0),
        "inputTokens": counts.get("input_tokens", 0),
        "cachedInputTokens": counts.get("cached_input_tokens", 0),
        "cacheWriteInputTokens": counts.get("cache_write_input_tokens", 0),
        "outputTokens": counts.get("output_tokens", 0),
        "reasoningOutputTokens": counts.get("reasoning_output_tokens", 0),
    }


@attrs.frozen(kw_only=True)
class LiveView:
    """What a loaded thread looks like at one moment.

    Attributes:
      row: as the index has it, or will have it; what people edited is not in here.
      status: the app-server's object.
      is_recorded: its rollout is on disk.
      turn_id: of the turn that it is in; None when it is in none.
      last_turn_ordinal, last_item_ordinal: where the last turn and the last item of a paginated history begin.
    """

    row: Thread
    ephemeral: bool
    settings: LiveSettings
    status: Mapping[str, Any]
    is_recorded: bool
    turn_id: str | None = None
    usage: LiveUsage | None = None
    last_turn_ordinal: int | None = None
    last_item_ordinal: int | None = None

    @property
    def id(self) -> ThreadId:
        """The thread's id."""
        return self.row.id


@attrs.frozen(kw_only=True)
class NewThread:
    """A thread that a client wants.

    Attributes:
      source: where it comes from, as rollouts write it.
      originator: which program asked.
    """

    settings: LiveSettings
    ephemeral: bool = False
    history_mode: str = PAGINATED
    source: str = "vscode"
    originator: str
    thread_source: str | None = None


@attrs.frozen(kw_only=True)
class ForkCut:
    """Where a fork leaves its source: behind one turn, before one, or at the end."""

    last_turn_id: str | None = None
    before_turn_id: str | None = None


@attrs.frozen(kw_only=True)
class TurnInput:
    """What somebody says.

    Attributes:
      content: its parts as clients write them: texts, images.
      settings: what is different from now on, by the names of LiveSettings.
    """

    content: Sequence[Mapping[str, Any]]
    client_id: str | None = None
    settings: Mapping[str, Any] = attrs.field(factory=dict)


class LiveError(Exception):
    """What was asked of a live thread cannot be done; the text is for the client."""
