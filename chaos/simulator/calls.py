"""Everything that services asked of the store, and what they were answered: what checkers of histories read."""

from typing import TYPE_CHECKING, Any

import attrs

from chaos.operations import Answer
from chaos.simulator.told import Answers, Told
from state.errors import StoreBusyError
from state.messages.base import Request

if TYPE_CHECKING:
    from chaos.simulator.life import Life
    from chaos.simulator.world import World


@attrs.define
class Call:
    """One request of one process.

    Attributes:
      asked_at_ms, answered_at_ms: simulated time; the second is None as long as nobody answered, which is for ever when
        the asker died or gave up, and then the request may or may not have been done.
      reply: what was answered; None when nothing was, or when the store failed.
      failure: why the store could not answer; '' when it could.
    """

    process: str
    request: Request[Any]
    asked_at_ms: int
    answered_at_ms: int | None = None
    reply: Any = None
    failure: str = ""


_NOTHING = frozenset({"NothingToExtract", "NothingToConsolidate", "BackfillHeld", "NoneType", "Renewed"})
_READS_OF_EVERY_DAY = frozenset({"ListProcesses", "ListKnownRollouts", "ListPendingRollouts", "ReportWorker"})


class History:
    """Collects calls, and tells the story of them."""

    def __init__(self, world: "World") -> None:
        self._world = world
        self.answers = Answers(world.machine.instant)
        self._open: dict[int, tuple[str, Told]] = {}
        self.calls: list[Call] = []

    def asked(self, life: "Life", request: Request[Any]) -> Call:
        """A service asks."""
        call = Call(process=life.process, request=request, asked_at_ms=self._world.machine.now_ms())
        self.calls.append(call)
        told = None if life.is_calm else self.answers.asked(request, life.name)
        if told is not None:
            self._open[id(call)] = (life.name, told)
        return call

    def died(self, life: "Life") -> None:
        """Nobody will hear the answers to what it asked; and nothing of it is done from now on."""
        for key, (name, told) in list(self._open.items()):
            if name == life.name:
                told(Answer.LOST)
                del self._open[key]

    def answered(self, life: "Life", call: Call, reply: Any) -> None:
        """It was answered, and lives to hear it."""
        self._tell(call, reply)
        call.answered_at_ms, call.reply = self._world.machine.now_ms(), reply
        request = type(call.request).__name__
        said = type(reply).__name__
        is_boring = said in _NOTHING or request in _READS_OF_EVERY_DAY or (said == "tuple" and not reply)
        text = f"{request}{_key(call.request)} -> {said}{_key(reply)}"
        if is_boring:
            self._world.story.note(life.name, text)
        else:
            self._world.story.tell(life.name, text)
        self._world.on_answer(life, call.request, reply)

    def failed(self, life: "Life", call: Call, error: BaseException) -> None:
        """The store could not answer, or the asker gave up."""
        self._tell(call, self.answers.of(error))
        if isinstance(error, StoreBusyError) and self._world.is_locked:
            self._world.goals.hit("somebody else had the write lock")
        call.failure = type(error).__name__
        self._world.story.tell(life.name, f"{type(call.request).__name__}{_key(call.request)} -> {call.failure}")

    def _tell(self, call: Call, answer: Any) -> None:
        _, told = self._open.pop(id(call), ("", None))
        if told is not None:
            told(answer)


_TELLING = ("thread_id", "fencing_number", "generation", "failure", "result", "attempt")
_WITH_A_KEY: dict[type, bool] = {}


def _key(message: Any) -> str:
    """What tells this message from others of its kind."""
    kind = type(message)
    if kind not in _WITH_A_KEY:
        _WITH_A_KEY[kind] = any(hasattr(kind, name) for name in ("terms", "token", "scope", *_TELLING))
    if not _WITH_A_KEY[kind]:
        return ""
    parts = []
    terms = getattr(message, "terms", None)
    token = getattr(terms or message, "token", None)
    if token:
        parts.append(str(token)[:6])
    for name in _TELLING:
        value = getattr(message, name, None)
        if value is not None:
            parts.append(f"{name.partition('_')[0]} {value}")
    scope = getattr(message, "scope", None)
    if scope is not None:
        parts.append(f"{scope.kind}:{scope.key}")
    return f" ({', '.join(parts)})" if parts else ""
