"""A loaded thread as clients see it, and how its turns are run: members of the answers about loaded threads."""

from pathlib import Path
from typing import Any

import attrs

from interfaces.rpc.thread_object import thread_object
from state.live import LEGACY, LiveSettings, LiveView
from state.messages.threads import Thread

_SANDBOXES: dict[str, dict[str, Any]] = {
    "read-only": {"type": "readOnly", "networkAccess": False},
    "workspace-write": {
        "type": "workspaceWrite",
        "writableRoots": [],
        "networkAccess": False,
        "excludeTmpdirEnvVar": False,
        "excludeSlashTmp": False,
    },
    "danger-full-access": {"type": "dangerFullAccess"},
}


def live_object(
    live: LiveView, stored: Thread | None, codex_home: Path, *, turns: list[dict[str, Any]] | None = None
) -> dict[str, Any]:
    """The object of a thread that is loaded.

    Args:
      stored: its row, if it has one; what is stored goes before what is live, but for how its turns are run.

    A legacy thread in which somebody spoke shows the moment of its making as that of its update, as it does where it is
    read: the original takes both from its first line.
    """
    settings = live.settings
    row = live.row if stored is None else stored
    is_dated_by_its_file = row.history_mode == LEGACY and bool(row.preview or live.row.preview) and not live.ephemeral
    row = attrs.evolve(
        row,
        preview=row.preview or live.row.preview,
        updated_at_ms=row.created_at_ms if is_dated_by_its_file else live.row.updated_at_ms,
        model=settings.model,
        reasoning_effort=settings.reasoning_effort,
        cwd=settings.cwd,
    )
    return {
        **thread_object(row, codex_home, turns=turns),
        "environments": settings.environments(),
        "ephemeral": live.ephemeral,
        "status": dict(live.status),
        "path": None if live.ephemeral else str(codex_home / row.rollout_path),
        "canAcceptDirectInput": True,
    }


def settings_members(settings: LiveSettings) -> dict[str, Any]:
    """What stands beside the thread in the answers of start, resume and fork."""
    return {
        "model": settings.model,
        "modelProvider": settings.model_provider,
        "serviceTier": None,
        "disabledPluginIds": [],
        "cwd": settings.cwd,
        "runtimeWorkspaceRoots": [settings.cwd],
        "instructionSources": [],
        "approvalPolicy": settings.approval_policy,
        "approvalsReviewer": "user",
        "sandbox": sandbox(settings),
        "activePermissionProfile": None,
        "reasoningEffort": settings.reasoning_effort,
        "multiAgentMode": "explicitRequestOnly",
    }


def sandbox(settings: LiveSettings) -> dict[str, Any]:
    """What turns may do."""
    return dict(_SANDBOXES.get(settings.sandbox_mode, _SANDBOXES["read-only"]))
