"""A model with moods around the built-in one: slow, wrong, busy, cut off, or not there."""

import random

import attrs
import trio

from chaos.goals import Goals
from state.messages.extraction import TokenUsage
from workers.models.builtin import BuiltinProvider
from workers.models.protocol import (
    ExtractionAnswer,
    ExtractionTask,
    ModelPermanentError,
    ModelTransientError,
    ModelUnavailableError,
)

MOODS = ("slow", "wrong", "empty", "busy", "cut off", "refusing", "away")
"""What a model may be for a while; '' is well."""


USUAL_SECONDS = (0.2, 4.0)
SLOW_SECONDS = (20.0, 160.0)
"""How long an answer takes."""


class MoodyModel:
    """Implements `workers.models.protocol.Provider`. In a good mood it says what the built-in model says, by and by."""

    name = BuiltinProvider.name
    version = BuiltinProvider.version

    def __init__(self, rng: random.Random, goals: Goals) -> None:
        self._rng = rng
        self._goals = goals
        self._inner = BuiltinProvider()
        self.mood = ""
        self.is_calm = False

    async def extract(self, task: ExtractionTask) -> ExtractionAnswer:
        """Answer, or not, as the mood is."""
        usage = TokenUsage(input_tokens=1000, output_tokens=100, model_calls=1)
        mood = self.mood if self._rng.random() < 0.8 else ""
        # One in six takes its time also in a good mood: then there is a lease to renew, to lose and to be robbed of.
        is_slow = mood == "slow" or (self._rng.random() < 1 / 6 and not self.is_calm)
        await trio.sleep(self._rng.uniform(*SLOW_SECONDS) if is_slow else self._rng.uniform(*USUAL_SECONDS))
        if mood in ("busy", "away"):
            self._goals.hit("the model was not available")
            retry_after_ms = self._rng.randrange(1_000, 90_000) if mood == "busy" else None
            raise ModelUnavailableError(f"the model is {mood}", retry_after_ms=retry_after_ms)
        if mood:
            self._goals.hit("the model failed")
        if mood == "cut off":
            raise ModelTransientError("the stream was cut off", usage=usage)
        if mood == "refusing":
            raise ModelPermanentError("the model does not want to", usage=usage)
        answer = await self._inner.extract(task)
        if mood == "wrong":
            return attrs.evolve(answer, raw_memory="", usage=usage)
        if mood == "empty":
            return ExtractionAnswer(rollout_summary="", rollout_slug=None, raw_memory="", notes=(), usage=usage)
        return attrs.evolve(answer, usage=usage)

    async def check(self) -> None:
        """There is nothing to reach."""

    async def aclose(self) -> None:
        """There is nothing to close."""
