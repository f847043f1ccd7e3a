"""Extraction: one memory per session, under a lease, saved in one transaction with the job's result.

    claim (when a slot is free) -> read and filter the rollout -> nothing new? done -> ask the model -> redact -> save

A job whose input is what the last extraction read is finished without asking the model. What fails is classed: an
unreadable file or a failing model is tried again with back-off; what can never work is a dead letter with its reason.
Where the model is not available for any job, no job pays for it: nothing more is claimed for a while.
"""

import math
import random
from contextlib import aclosing
from pathlib import Path
from typing import TypeVar

import attrs
import structlog
import trio

from config.settings import EXTRACTION_LEASE_MS, Settings
from state.errors import StoreError
from state.ids import OwnershipToken
from state.messages.base import Request
from state.messages.extraction import (
    NO_TOKENS,
    REOPENED_MAX,
    ClaimExtraction,
    DeadLettered,
    Eligibility,
    ExtractionCapacityReached,
    ExtractionClaimed,
    ExtractionFinished,
    ExtractorId,
    FailExtraction,
    FailureClass,
    FinishExtraction,
    FinishResult,
    GetExtractionTotals,
    MemoryDraft,
    MemoryNote,
    NothingToExtract,
    ReleaseExtraction,
    RenewExtraction,
    ReopenForExtractor,
    TokenUsage,
)
from state.messages.leases import ClaimTerms, NotOwner
from state.rollouts import Conversation, plain_reason, read_conversation
from state.store import StateHandle
from workers.extraction.allowance import allowance_of
from workers.lease_keeper import GIVE_BACK_SECONDS_MAX, HeldLease, LeaseLostError, give_back, hold_lease
from workers.models.choose import provider_named
from workers.models.protocol import (
    ExtractionAnswer,
    ExtractionTask,
    ModelError,
    ModelPermanentError,
    ModelTransientError,
    ModelUnavailableError,
    Provider,
)
from workers.progress import NoProgress, Progress
from workers.redaction import redact

log = structlog.get_logger(__name__)

ReplyT = TypeVar("ReplyT")

IDLE_POLL_SECONDS_MAX = 2.0
"""How long a slot with nothing to do waits before it looks again. Looking costs one small transaction."""

PAUSE_SECONDS_MIN = 30.0
PAUSE_SECONDS_MAX = 3_600.0
"""How long nothing is claimed after the model was not available; doubles from the one to the other."""

RECORD_AGAIN_SECONDS = (1.0, 2.0, 4.0, 8.0)
"""Waits before a busy store is asked again to record what was paid for."""


@attrs.frozen(kw_only=True)
class ExtractionSummary:
    """What a run did, by number of jobs. claimed = succeeded + empty + unchanged + retrying + failed + given back.
    tokens: what it cost."""

    claimed: int = 0
    succeeded: int = 0
    empty: int = 0
    unchanged: int = 0
    retrying: int = 0
    failed: int = 0
    tokens: TokenUsage = NO_TOKENS


async def serve(handle: StateHandle, codex_home: Path, settings: Settings) -> None:
    """Extract for ever; where a model costs money, until the claims of this start are used up."""
    async with aclosing(provider_named(settings)) as provider:
        await Extraction(handle, codex_home, settings, provider, NoProgress()).run(until_done=False)
        await trio.sleep_forever()


class Extraction:
    """The slots of one process. `run` serves until nothing is left or for ever.

    Attributes:
      summary: what was done so far.
      unavailable: why the model was not available when it was last asked; None when it was.
    """

    def __init__(
        self, handle: StateHandle, codex_home: Path, settings: Settings, provider: Provider, progress: Progress
    ) -> None:
        self._handle = handle
        self._codex_home = codex_home
        self._provider = provider
        self._progress = progress
        self._workers = settings.extraction.workers
        self._running_max = settings.extraction.running_max
        self._eligibility = Eligibility.from_settings(settings.extraction)
        self._extractor = ExtractorId(name=provider.name, version=provider.version)
        self._allowance = allowance_of(handle.process, settings.extraction)
        self._claiming = trio.Lock()
        self._total: int | None = None
        self.summary = ExtractionSummary()
        self.unavailable: ModelUnavailableError | None = None
        self._until_done = False
        self._pauses = 0
        self._paused_until = -math.inf

    async def run(self, *, until_done: bool) -> None:
        """Work in `workers` slots; return when nothing can be claimed or the model is not available (until_done), or
        when the claims of this start are used up."""
        self._until_done = until_done
        while await self._handle.ask(ReopenForExtractor(extractor=self._extractor)) == REOPENED_MAX:
            pass
        if until_done:
            totals = await self._handle.ask(GetExtractionTotals(eligibility=self._eligibility))
            self._total = totals.waiting_by_reason.get("ready", 0)
            if self._allowance.left is not None:
                self._total = min(self._total, self._allowance.left)
        async with trio.open_nursery() as nursery:
            for slot in range(self._workers):
                nursery.start_soon(self._serve, f"extraction-{slot}")

    async def _serve(self, worker: str) -> None:
        while True:
            if self._until_done and self.unavailable is not None:
                return
            await trio.sleep_until(self._paused_until)
            token = self._handle.mint_token()
            async with self._claiming:
                # One slot at a time, so that no two take the last claim of the allowance.
                if self._allowance.is_used_up:
                    return
                claimed_boot_ms = self._handle.clock().boot_ms
                claimed = await self._claim(worker, token)
            if isinstance(claimed, ExtractionCapacityReached):
                # Also where nothing but what can be done now is asked for: there is a job that can be.
                await trio.sleep(IDLE_POLL_SECONDS_MAX)
                continue
            if isinstance(claimed, NothingToExtract):
                if self._until_done:
                    return
                due_seconds = (claimed.next_due_in_ms or 0) / 1000 or IDLE_POLL_SECONDS_MAX
                await trio.sleep(min(due_seconds, IDLE_POLL_SECONDS_MAX))
                continue
            self._count("claimed")
            await self._work(claimed, token, claimed_boot_ms)

    async def _claim(
        self, worker: str, token: OwnershipToken
    ) -> ExtractionClaimed | NothingToExtract | ExtractionCapacityReached:
        terms = ClaimTerms(token=token, owner=self._handle.owner(worker), lease_ms=EXTRACTION_LEASE_MS)
        claimed = await self._handle.ask(
            ClaimExtraction(terms=terms, eligibility=self._eligibility, running_max=self._running_max)
        )
        if isinstance(claimed, ExtractionClaimed):
            self._allowance.take()
        return claimed

    async def _work(self, job: ExtractionClaimed, token: OwnershipToken, claimed_boot_ms: int) -> None:
        renewal = RenewExtraction(token=token, lease_ms=EXTRACTION_LEASE_MS)
        try:
            async with hold_lease(
                self._handle, renewal, lease_ms=EXTRACTION_LEASE_MS, claimed_boot_ms=claimed_boot_ms
            ) as held:
                finish = await self._extract(job, token, held)
                # Not confirmed before: the token decides in the transaction that saves, also after a long sleep, and
                # what was paid for is saved when a stop comes with it.
                reply = await self._record(finish, finish.usage)
        except LeaseLostError as lost:
            log.warning("extraction abandoned", thread=job.thread_id, reason=str(lost))
        except trio.Cancelled:
            with trio.CancelScope(shield=True, deadline=trio.current_time() + GIVE_BACK_SECONDS_MAX):
                await give_back(self._handle, ReleaseExtraction(token=token))
            raise
        except StoreError:
            raise
        except ModelError as error:
            await self._fail(job, token, error)
            if isinstance(error, ModelUnavailableError):
                self._pause(error)
        except OSError as error:
            await self._fail(job, token, ModelTransientError(f"{job.rollout_path}: {plain_reason(error)}"))
        except Exception as error:
            log.exception("extraction failed", thread=job.thread_id)
            await self._fail(job, token, ModelTransientError(f"{type(error).__name__}: {error}"))
        else:
            self._note_finish(job, finish, reply)

    async def _record(self, request: Request[ReplyT], usage: TokenUsage) -> ReplyT:
        """Ask to record how the job ended, also when cancelled meanwhile: what was paid for is not thrown away.

        A request that was cancelled has been withdrawn, so it is asked once more; had it not been, the second one
        would change nothing. A store that is busy is asked again for a while, which the lease outlasts.
        """
        try:
            for wait_seconds in RECORD_AGAIN_SECONDS:
                try:
                    return await self._handle.ask(request)
                except StoreError as error:
                    if not error.retryable:
                        raise
                await trio.sleep(wait_seconds)
            return await self._handle.ask(request)
        except trio.Cancelled:
            with trio.CancelScope(shield=True, deadline=trio.current_time() + GIVE_BACK_SECONDS_MAX):
                await self._handle.ask(request)
            raise
        except StoreError:
            log.error("what the model answered could not be recorded", **attrs.asdict(usage))
            raise

    def _pause(self, error: ModelUnavailableError) -> None:
        """Claim nothing for a while: what is wrong is not the jobs, and asking again and again does not help.

        What another slot finds out meanwhile is the same outage, so it neither lengthens the pause nor is said again.
        """
        if not error.usage.output_tokens:
            self._allowance.give_back()  # nothing was spent
        now = trio.current_time()
        if now < self._paused_until:
            return
        self.unavailable = error
        if self._until_done:
            return  # whoever asked is told at the end
        seconds = min(PAUSE_SECONDS_MIN * 2 ** min(self._pauses, 20), PAUSE_SECONDS_MAX)
        seconds = max(seconds, (error.retry_after_ms or 0) / 1_000)
        self._pauses += 1
        self._paused_until = now + seconds
        log.warning("extraction pauses", reason=redact(str(error)), hint=error.hint, seconds=seconds)

    def _model_answered(self) -> None:
        self.unavailable = None
        self._pauses = 0

    async def _extract(self, job: ExtractionClaimed, token: OwnershipToken, held: HeldLease) -> FinishExtraction:
        conversation: Conversation = await trio.to_thread.run_sync(self._read, job, abandon_on_cancel=True)
        finish = FinishExtraction(
            token=token, input_digest=conversation.input_digest, extractor=self._extractor, draft=None
        )
        last = job.last
        if last is not None and last.extractor == self._extractor and last.input_digest == conversation.input_digest:
            return finish
        if last is not None and conversation.damage is not None:
            # What was remembered of the whole session is better than what its beginning says.
            raise ModelPermanentError(f"{job.rollout_path}: {conversation.damage}; the earlier memory is kept")
        await held.confirm()  # nothing is spent on a job that may be somebody else's by now
        answer = await self._provider.extract(ExtractionTask(scope=job.scope, conversation=conversation))
        self._model_answered()
        refuse_partial(answer)
        return attrs.evolve(finish, draft=_draft(answer), usage=answer.usage)

    def _read(self, job: ExtractionClaimed) -> Conversation:
        return read_conversation(self._codex_home, job.rollout_path, job.thread_id, redact=redact)

    async def _fail(self, job: ExtractionClaimed, token: OwnershipToken, error: ModelError) -> None:
        reason = redact(str(error))
        reply = await self._record(
            FailExtraction(
                token=token,
                failure=error.failure,
                reason=reason,
                jitter_permille=random.randint(0, 1000),
                retry_after_ms=error.retry_after_ms,
                usage=error.usage,
            ),
            error.usage,
        )
        self._spent(error.usage)
        if isinstance(reply, NotOwner):
            _log_too_late(job, error.usage)
            return
        self._count("failed" if isinstance(reply, DeadLettered) else "retrying")
        if error.failure is not FailureClass.UNAVAILABLE:
            log.warning("extraction failed", thread=job.thread_id, attempt=job.attempt, reason=reason)

    def _note_finish(
        self, job: ExtractionClaimed, finish: FinishExtraction, reply: ExtractionFinished | NotOwner
    ) -> None:
        self._spent(finish.usage)
        match reply:
            case NotOwner():
                _log_too_late(job, finish.usage)
            case ExtractionFinished(result=FinishResult.SAVED):
                self._count("succeeded")
            case ExtractionFinished(result=FinishResult.EMPTY):
                self._count("empty")
            case ExtractionFinished(result=FinishResult.UNCHANGED):
                self._count("unchanged")

    def _count(self, what: str) -> None:
        self.summary = attrs.evolve(self.summary, **{what: getattr(self.summary, what) + 1})
        done = self.summary
        ended = done.succeeded + done.empty + done.unchanged + done.retrying + done.failed
        self._progress.report("extraction", ended, self._total)

    def _spent(self, usage: TokenUsage) -> None:
        self.summary = attrs.evolve(self.summary, tokens=self.summary.tokens.plus(usage))


def _log_too_late(job: ExtractionClaimed, usage: TokenUsage) -> None:
    """Say that somebody else owns the job; what it cost cannot be written into a row that is not ours."""
    log.warning("extraction came too late", thread=job.thread_id, **attrs.asdict(usage))


class PartialAnswerError(ModelTransientError):
    """The model gave half of an answer; a good memory must not be replaced by it."""


def refuse_partial(answer: ExtractionAnswer) -> None:
    """Refuse an answer with a summary but no memory, or the other way round.

    Raises:
      PartialAnswerError: exactly one of the two texts is blank.
    """
    if bool(answer.rollout_summary.strip()) != bool(answer.raw_memory.strip()):
        raise PartialAnswerError("the model answered only one of summary and memory", usage=answer.usage)


def _draft(answer: ExtractionAnswer) -> MemoryDraft:
    """The answer as it is stored. Redacted once more: a model may join what was apart."""
    return MemoryDraft(
        raw_memory=redact(answer.raw_memory),
        rollout_summary=redact(answer.rollout_summary),
        rollout_slug=redact(answer.rollout_slug) if answer.rollout_slug else None,
        notes=tuple(
            MemoryNote(
                kind=note.kind.value, topic=redact(note.topic), text=redact(note.text), line=note.line, at_ms=note.at_ms
            )
            for note in answer.notes
        ),
    )
