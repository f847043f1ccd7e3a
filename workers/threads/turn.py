"""One turn: what is recorded, told and asked, in the app-server's order.

    begin -> what was said -> ask -> its items -> costs -+-> more was said meanwhile, or a tool was called: ask again
                                                         +-> complete

A turn that is stopped, or fails, is recorded as such and ends like any other; whoever listens is told last, when the
index has it too.
"""

from collections.abc import Callable

import attrs
import structlog

from state.live import LiveUsage, TurnInput
from workers.models.turns.choose import TurnModels
from workers.models.turns.protocol import Answered, Question, TurnFailedError, TurnUsage
from workers.threads import notices, payloads
from workers.threads.identifiers import uuid7
from workers.threads.items import AnswerItems
from workers.threads.recording import Entry
from workers.threads.thread import ActiveTurn, Indexed, LoadedThread

log = structlog.get_logger(__name__)

CALL_ROUNDS_MAX = 3
"""A model that goes on calling tools after it was told so often that there are none will not stop by itself."""

NO_TOOLS = "the model calls tools, and there are none here"

INSTRUCTIONS = """\
You answer a person who works in a folder of source code. You have no tools here: you cannot run commands, read files or
change anything. Answer from the conversation alone, plainly and briefly, and say so where something would need a tool.
"""


@attrs.define
class TurnRun:
    """Runs one turn of one thread."""

    thread: LoadedThread
    turn: ActiveTurn
    models: TurnModels
    indexed: Indexed
    now_ms: Callable[[], int]
    _started_ms: int = 0
    _in_turn: TurnUsage = attrs.field(factory=TurnUsage)

    async def run(self) -> None:
        """Run it to its end, whatever that is. The thread is free again when this returns."""
        thread, turn = self.thread, self.turn
        self._started_ms = self.now_ms()
        thread.has_failed = False
        await thread.tell(notices.status_changed(thread.id, notices.ACTIVE))
        begun = notices.turn_object(turn.id, "inProgress", started_at_ms=self._started_ms)
        await thread.tell(notices.turn_started(thread.id, begun))
        items = AnswerItems(
            thread_id=thread.id,
            turn_id=turn.id,
            history_mode=thread.row.history_mode,
            recorder=thread.recorder,
            tell=thread.tell,
            now_ms=self.now_ms,
        )
        failed: TurnFailedError | None = None
        try:
            with turn.asking:
                await self._begin()
                await self._converse(items)
        except TurnFailedError as error:
            failed = error
        except OSError as error:
            failed = TurnFailedError(f"the thread could not be recorded: {error.strerror or error}")
        except Exception:
            # What nobody foresaw costs this turn, not the process and its other threads.
            log.exception("a turn broke", thread=thread.id)
            failed = TurnFailedError("internal error")
        turn.was_stopped = turn.asking.cancelled_caught
        turn.takes_more = False
        thread.items.extend(items.items)
        await self._say_the_rest()
        await self._end(items, failed)

    async def _begin(self) -> None:
        async with self.thread.beginning:
            await self._record_beginning()
        await self._say(self.turn.said)

    async def _record_beginning(self) -> None:
        thread, turn = self.thread, self.turn
        entries: list[Entry] = []
        if not thread.is_recorded:
            entries.append(payloads.session_meta(thread.look(), thread.window_id, {}, thread.git))
        entries.append(payloads.task_started(turn.id, self._started_ms))
        if not thread.items:
            context = payloads.message_item(
                "user",
                f"msg_{uuid7(self.now_ms())}",
                [
                    {
                        "type": "input_text",
                        "text": f"<environment_context>\n  <cwd>{thread.settings.cwd}</cwd>\n</environment_context>",
                    }
                ],
            )
            thread.items.append(context)
            entries.append(payloads.response_item(context, turn.id))
        entries.append(payloads.turn_context(turn.id, thread.settings))
        if not thread.settings_known:
            entries.append(payloads.settings_applied(thread.id, thread.settings))
        await thread.recorder.write(*entries)
        thread.begin_recorded()

    async def _say(self, said: TurnInput) -> None:
        """Record what somebody said, and tell it."""
        if not said.content:
            return
        thread, turn = self.thread, self.turn
        at_ms = self.now_ms()
        message = payloads.message_item("user", f"msg_{uuid7(at_ms)}", payloads.model_parts(said.content))
        item_id = uuid7(at_ms)
        event = payloads.user_message(
            thread.row.history_mode, thread.id, turn.id, item_id, said.content, at_ms, said.client_id
        )
        await thread.recorder.write(payloads.response_item(message, turn.id), event)
        thread.items.append(message)
        if thread.path is not None and not thread.row.preview:
            text = "".join(part["text"] for part in said.content if part["type"] == "text").strip()
            thread.row = attrs.evolve(thread.row, preview=text or "[Image]", first_user_message=text or "[Image]")
        if thread.path is not None:
            await self.indexed(thread.path)
        shown = notices.user_item(item_id, said.content, said.client_id)
        await thread.tell(notices.item_started(thread.id, turn.id, shown, at_ms))
        await thread.tell(notices.item_completed(thread.id, turn.id, shown, at_ms, at_ms))

    async def _say_the_rest(self) -> None:
        """What was said while the turn ran, and the model did not get any more, stands in the thread all the same."""
        try:
            while self.turn.waiting:
                await self._say(self.turn.waiting.pop(0))
        except OSError as error:
            log.warning("what was said could not be recorded", thread=self.thread.id, reason=str(error))

    async def _converse(self, items: AnswerItems) -> None:
        thread, turn = self.thread, self.turn
        model = self.models.model(thread.settings.model_provider, thread.settings.model)
        rounds = 0
        try:
            while True:
                question = Question(
                    thread_id=thread.id,
                    model=thread.settings.model,
                    cwd=thread.settings.cwd,
                    instructions=self._instructions(),
                    items=[*thread.items, *items.items],
                    reasoning_effort=thread.settings.reasoning_effort,
                )
                failed: TurnFailedError | None = None
                try:
                    answered = await model.answer(question, items.take)
                except TurnFailedError as error:
                    failed, answered = error, Answered(response_id="", usage=error.usage)
                await self._count(answered)
                if failed is not None:
                    raise failed
                if items.called:
                    await items.refuse_calls()
                    rounds += 1
                    if rounds > CALL_ROUNDS_MAX:
                        raise TurnFailedError(NO_TOOLS)
                elif turn.waiting:
                    thread.items.extend(items.items)
                    items.items.clear()
                    while turn.waiting:
                        await self._say(turn.waiting.pop(0))
                else:
                    turn.takes_more = False
                    return
        finally:
            await model.aclose()

    def _instructions(self) -> str:
        settings = self.thread.settings
        base = INSTRUCTIONS if settings.base_instructions is None else settings.base_instructions
        return f"{base}\n{settings.developer_instructions}" if settings.developer_instructions else base

    async def _count(self, answered: Answered) -> None:
        if answered.usage is None:
            return
        thread, turn = self.thread, self.turn
        before = notices.usage_of(thread.usage.total) if thread.usage is not None else TurnUsage()
        in_thread = before.plus(answered.usage)
        self._in_turn = self._in_turn.plus(answered.usage)
        await thread.recorder.write(
            *payloads.usage_lines(thread.id, turn.id, answered.response_id, answered.usage, self._in_turn, in_thread)
        )
        total, last = payloads.counted(in_thread), payloads.counted(answered.usage)
        thread.usage = LiveUsage(total=total, last=last, turn_id=turn.id)
        await thread.tell(thread.usage.notice(thread.id))

    async def _end(self, items: AnswerItems, failed: TurnFailedError | None) -> None:
        thread, turn = self.thread, self.turn
        ended_ms = max(self.now_ms(), self._started_ms)
        times_ms = (self._started_ms, ended_ms)
        status, what = "completed", None
        if turn.was_stopped:
            status = "interrupted"
            marker = payloads.aborted_marker(f"msg_{uuid7(ended_ms)}")
            thread.items.append(marker)
            entries = [payloads.response_item(marker, turn.id), payloads.turn_aborted(turn.id, times_ms)]
        elif failed is not None:
            status, what = "failed", notices.error_object(str(failed), failed.info)
            turn.failure, thread.has_failed = str(failed), True
            await thread.tell(notices.status_changed(thread.id, notices.SYSTEM_ERROR))
            await thread.tell(notices.error(thread.id, turn.id, what, will_retry=False))
            recorded = payloads.recorded_error(str(failed), failed.info)
            entries = [payloads.task_complete(turn.id, None, recorded, times_ms, None)]
        else:
            first_ms = items.first_token_at_ms
            first_ms = None if first_ms is None else max(first_ms - self._started_ms, 0)
            entries = [payloads.task_complete(turn.id, items.last_message, None, times_ms, first_ms)]
        await self._record_end(entries)
        ended = notices.turn_object(
            turn.id,
            status,
            items=[items.last_shown] if items.last_shown is not None and status == "completed" else [],
            error=what,
            started_at_ms=self._started_ms,
            ended_at_ms=ended_ms,
        )
        thread.row = attrs.evolve(thread.row, updated_at_ms=ended_ms, recency_at_ms=self._started_ms)
        thread.turn = None
        if failed is None or turn.was_stopped:
            await thread.tell(notices.status_changed(thread.id, notices.IDLE))
        await thread.tell(notices.turn_completed(thread.id, ended))

    async def _record_end(self, entries: list[Entry]) -> None:
        thread = self.thread
        try:
            if thread.is_recorded:
                await thread.recorder.write(*entries)
        except OSError as error:
            log.warning("the end of a turn could not be recorded", thread=thread.id, reason=str(error))
        if thread.path is not None and thread.is_recorded:
            await self.indexed(thread.path)
