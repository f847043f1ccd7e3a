"""Asks a model: render, ask, read; with less of the session where it was too big. Each way to fail has its class.

A session that does not fit is not a failure yet: the question is cut to half and asked again, a few times. What all
of that has cost is in the answer, or in the failure.
"""

import trio

from config.responses import ResponsesSettings
from state.messages.extraction import TokenUsage
from workers.models.protocol import ExtractionAnswer, ExtractionTask, ModelError, ModelPermanentError
from workers.models.responses.answer import WrongAnswerError, answer_from
from workers.models.responses.call import ModelServer, Reply
from workers.models.responses.failures import Failures, TooBigError
from workers.models.responses.prompt import INSTRUCTIONS, PROMPT_VERSION
from workers.models.responses.rendering import Rendered, rendered
from workers.models.responses.tokens import TokenMeasure

SHRINKS_MAX = 4
"""A sixteenth of what the settings allow does not fit either: the limit is not about the session."""

INSTRUCTIONS_BYTES = len(INSTRUCTIONS.encode())
QUESTION_BYTES_MIN = 2_000
"""Less of a session says nothing."""


class ResponsesProvider:
    """A model behind the OpenAI Responses API. Implements `workers.models.protocol.Provider`."""

    version = PROMPT_VERSION

    def __init__(self, settings: ResponsesSettings, key: str | None) -> None:
        self.name = f"responses:{settings.model}"
        self._settings = settings
        self._failures = Failures(settings, key)
        self._server = ModelServer(settings, key, self._failures)
        self._measure = TokenMeasure()

    async def extract(self, task: ExtractionTask) -> ExtractionAnswer:
        """Answer one task. Asking twice costs twice.

        Raises:
          ModelError: there is no answer; `usage` says what it has cost.
        """
        spent = TokenUsage()
        bytes_max = self._measure.bytes_for(self._settings.input_tokens_max) - INSTRUCTIONS_BYTES
        for _ in range(1 + SHRINKS_MAX):
            bytes_max = max(bytes_max, QUESTION_BYTES_MIN)
            # In a pool thread: a session of the largest size takes a while. Abandoned on cancel, since it only reads.
            question = await trio.to_thread.run_sync(rendered, task.conversation, bytes_max, abandon_on_cancel=True)
            size = len(question.text.encode())
            try:
                reply = await self._server.ask(question.text)
            except TooBigError as error:
                spent = spent.plus(error.usage)
                refusal, bytes_max = str(error), min(bytes_max, size) // 2
                continue
            except ModelError as error:
                error.usage = spent.plus(error.usage)
                raise
            if reply.is_counted:
                self._measure.learn(size + INSTRUCTIONS_BYTES, reply.usage.input_tokens)
            return self._read(reply, question, spent.plus(reply.usage))
        raise ModelPermanentError(
            f"the session is too big for the model, even cut to {size} bytes: {refusal}", usage=spent
        )

    def _read(self, reply: Reply, question: Rendered, usage: TokenUsage) -> ExtractionAnswer:
        try:
            return answer_from(reply.text, question.shown, usage)
        except WrongAnswerError as error:
            wrong = self._failures.wrong_answer(str(error))
            wrong.usage = usage
            raise wrong from None

    async def check(self) -> None:
        """Reach the server without spending anything.

        Raises:
          ModelError: it cannot be reached, or refuses the key.
        """
        await self._server.check()

    async def aclose(self) -> None:
        """Close the connections."""
        await self._server.aclose()
