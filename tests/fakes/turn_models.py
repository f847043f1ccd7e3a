"""Models behind a turn whose answers a test writes down, and threads that ask them."""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import attrs
import trio

from config import Settings
from state.codex_config import CodexConfig
from state.live import LiveSettings, NewThread
from state.store import StateHandle
from workers.models.turns.choose import TurnModels
from workers.models.turns.protocol import (
    Answered,
    ItemDone,
    MessageDelta,
    MessageStarted,
    Question,
    Tell,
    TurnFailedError,
    TurnModel,
    TurnUsage,
)
from workers.threads import ThreadManager, thread_manager

USAGE = TurnUsage(
    input_tokens=100, cached_input_tokens=10, output_tokens=20, reasoning_output_tokens=5, total_tokens=120
)


@attrs.define
class ToldModel:
    """Answers each question by the next step; the last step answers all that follow.

    Attributes:
      questions: what it was asked.
      asked: set once it was asked.
      go: what `waiting` waits for.
    """

    steps: Sequence[Callable[["ToldModel", Question, Tell], Awaitable[Answered]]]
    questions: list[Question] = attrs.field(factory=list)
    asked: trio.Event = attrs.field(factory=trio.Event)
    go: trio.Event = attrs.field(factory=trio.Event)

    async def answer(self, question: Question, tell: Tell) -> Answered:
        step = self.steps[min(len(self.questions), len(self.steps) - 1)]
        self.questions.append(question)
        self.asked.set()
        return await step(self, question, tell)

    async def aclose(self) -> None:
        await trio.lowlevel.checkpoint()


def saying(text: str) -> Callable[[ToldModel, Question, Tell], Awaitable[Answered]]:
    """Says this, in one piece."""

    async def step(model: ToldModel, question: Question, tell: Tell) -> Answered:
        item_id = f"msg_{len(model.questions)}"
        await tell(MessageStarted(item_id))
        await tell(MessageDelta(item_id, text))
        await tell(ItemDone(message(item_id, text)))
        return Answered(response_id=f"resp_{len(model.questions)}", usage=USAGE)

    return step


def waiting(text: str) -> Callable[[ToldModel, Question, Tell], Awaitable[Answered]]:
    """Says this once the test lets it."""

    async def step(model: ToldModel, question: Question, tell: Tell) -> Answered:
        await model.go.wait()
        return await saying(text)(model, question, tell)

    return step


def calling(name: str) -> Callable[[ToldModel, Question, Tell], Awaitable[Answered]]:
    """Calls a tool."""

    async def step(model: ToldModel, question: Question, tell: Tell) -> Answered:
        call_id = f"call_{len(model.questions)}"
        await tell(
            ItemDone({"type": "function_call", "id": "fc_1", "call_id": call_id, "name": name, "arguments": "{}"})
        )
        return Answered(response_id="resp_1", usage=None)

    return step


def failing(message: str) -> Callable[[ToldModel, Question, Tell], Awaitable[Answered]]:
    """Fails."""

    async def step(model: ToldModel, question: Question, tell: Tell) -> Answered:
        await trio.lowlevel.checkpoint()
        raise TurnFailedError(message, {"httpConnectionFailed": {"httpStatusCode": 401}})

    return step


def message(item_id: str, text: str) -> dict[str, Any]:
    """A message of a model as the Responses API has it."""
    content = [{"type": "output_text", "text": text, "annotations": []}]
    return {"type": "message", "id": item_id, "role": "assistant", "status": "completed", "content": content}


@attrs.frozen(kw_only=True)
class OneModel(TurnModels):
    """Whatever is configured, this one answers."""

    told: ToldModel

    def model(self, provider: str, model: str) -> TurnModel:  # noqa: ARG002
        return self.told


async def nothing_remembered(cwd: str) -> Sequence[str]:
    """Of no folder anything."""
    await trio.lowlevel.checkpoint()
    return ()


def told_models(told: ToldModel) -> OneModel:
    """Has this model answer."""
    return OneModel(config=CodexConfig(values={}), settings=Settings(), remembered=nothing_remembered, told=told)


@attrs.define
class ManualTime:
    """Unix ms that grow by one each time that somebody looks."""

    at_ms: int = 1_790_000_000_000

    def __call__(self) -> int:
        self.at_ms += 1
        return self.at_ms


@asynccontextmanager
async def managed(codex_home: Path, told: ToldModel, handle: StateHandle | None = None) -> AsyncIterator[ThreadManager]:
    """Threads below this home whose turns this model answers."""
    async with thread_manager(
        codex_home, handle, told_models(told), redact=str, provider_default="openai", now_ms=ManualTime()
    ) as manager:
        yield manager


def new_thread(history_mode: str = "paginated", *, ephemeral: bool = False) -> NewThread:
    """A thread of Ann's."""
    settings = LiveSettings(model="mock-model", model_provider="openai", cwd="/home/ann/shop", approval_policy="never")
    return NewThread(settings=settings, history_mode=history_mode, ephemeral=ephemeral, originator="ann")
