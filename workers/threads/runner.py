"""One turn in a thread of its own, from its beginning to its end: what `memoryd turn` does.

    start -> one turn, told as it goes -> shut down, always -> the turn's failure, else the shutdown's

The thread is ephemeral: nothing of it stays, and no memory is made of it.
"""

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import attrs
import trio

from config import Settings
from state.codex_config import provider_default, read_codex_config
from state.live import LiveError, LiveSettings, NewThread, TurnInput
from state.store import StateHandle
from workers.models.turns.choose import TurnModels
from workers.redaction import redact
from workers.threads.manager import SHUTDOWN_SECONDS_MAX, ThreadManager, thread_manager
from workers.threads.remembered import RememberedOfFolder

ORIGINATOR = "codex_thread_manager_sample"

TellAll = Callable[[str, Any], Awaitable[None]]


class TurnRunError(Exception):
    """The run failed; the text says in what."""

    code = "turn"
    retryable = True
    hint = ""


@attrs.frozen(kw_only=True)
class TurnRequest:
    """What is asked, of which model, in which folder. model: None for what the configuration says."""

    prompt: str
    model: str | None
    cwd: str


async def run_turn(
    handle: StateHandle | None,
    codex_home: Path,
    settings: Settings,
    request: TurnRequest,
    tell: TellAll,
    *,
    now_ms: Callable[[], int],
) -> None:
    """Run one turn and tell what happens in it. `tell` may raise; the turn is stopped then, and its exception raised.

    Raises:
      TurnRunError: the thread could not be started, or not be shut down.
    """
    config = read_codex_config(codex_home)
    provider = provider_default(config, settings.codex.model_provider_default)
    models = TurnModels(config=config, settings=settings, remembered=RememberedOfFolder(handle))
    async with thread_manager(
        codex_home, handle, models, redact=redact, provider_default=provider, now_ms=now_ms
    ) as manager:
        new = NewThread(
            settings=LiveSettings(
                model=request.model or models.model_default(provider),
                model_provider=provider,
                cwd=request.cwd,
                approval_policy="never",
            ),
            ephemeral=True,
            source="exec",
            originator=ORIGINATOR,
        )
        try:
            thread = await manager.start(new)
        except OSError as error:
            raise TurnRunError(f"start Codex thread: {error.strerror or error}") from error
        try:
            await _one_turn(manager, thread.id, request.prompt, tell)
        finally:
            with trio.CancelScope(shield=True, deadline=trio.current_time() + 2 * SHUTDOWN_SECONDS_MAX):
                await manager.unload(thread.id)
        if manager.was_cut_off:
            raise TurnRunError("shut down Codex thread: the turn did not end in time")


async def _one_turn(manager: ThreadManager, thread_id: str, prompt: str, tell: TellAll) -> None:
    broken: list[Exception] = []

    async def listen(method: str, params: Any) -> None:
        if broken:
            return
        try:
            await tell(method, params)
        except Exception as error:
            # Whoever listens has heard enough; what is still said while the turn stops is said to nobody.
            broken.append(error)
            manager.stop_turn(thread_id)

    manager.listen(thread_id, "run", listen)
    said = TurnInput(content=({"type": "text", "text": prompt, "text_elements": []},))
    try:
        _, begin = await manager.start_turn(thread_id, said)
    except LiveError as error:
        raise TurnRunError(f"submit user input: {error}") from error
    begin()
    await manager.wait_for_turn(thread_id)
    if broken:
        raise broken[0]
