"""Extraction: one memory per session, under a lease, saved in one transaction with the job's result.

    claim (when a slot is free) -> read and filter the rollout -> nothing new? done -> ask the model -> redact -> save

A job whose input is what the last extraction read is finished without asking the model. What fails is classed: an
unreadable file or a failing model is tried again with back-off; what can never work is a dead letter with its reason.
"""

import random
from pathlib import Path

import attrs
import structlog
import trio

from config.settings import EXTRACTION_LEASE_MS, Settings
from state.errors import StoreError
from state.ids import OwnershipToken
from state.messages.extraction import (
    ClaimExtraction,
    DeadLettered,
    Eligibility,
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
)
from state.messages.leases import ClaimTerms, NotOwner
from state.rollouts import Conversation, plain_reason, read_conversation
from state.store import StateHandle
from workers.lease_keeper import LeaseLostError, hold_lease
from workers.models.choose import provider_named
from workers.models.protocol import ExtractionAnswer, ExtractionTask, Provider
from workers.progress import NoProgress, Progress
from workers.redaction import redact

log = structlog.get_logger(__name__)

IDLE_POLL_SECONDS_MAX = 2.0
"""How long a slot with nothing to do waits before it looks again. Looking costs one small transaction."""

GIVE_BACK_SECONDS_MAX = 2.0
"""How long a cancelled slot may take to give its job back; the process's lock does it otherwise."""


@attrs.frozen(kw_only=True)
class ExtractionSummary:
    """What a run did, by number of jobs. claimed = succeeded + empty + unchanged + retrying + failed + given back."""

    claimed: int = 0
    succeeded: int = 0
    empty: int = 0
    unchanged: int = 0
    retrying: int = 0
    failed: int = 0


async def serve(handle: StateHandle, codex_home: Path, settings: Settings) -> None:
    """Extract for ever; where a model costs money, until the claims of this start are used up."""
    provider = provider_named(settings.extraction.model)
    await Extraction(handle, codex_home, settings, provider, NoProgress()).run(until_done=False)
    await trio.sleep_forever()


class Extraction:
    """The slots of one process. `run` serves until nothing is left or for ever."""

    def __init__(
        self, handle: StateHandle, codex_home: Path, settings: Settings, provider: Provider, progress: Progress
    ) -> None:
        self._handle = handle
        self._codex_home = codex_home
        self._provider = provider
        self._progress = progress
        self._workers = settings.extraction.workers
        self._eligibility = Eligibility.from_settings(settings.extraction)
        self._extractor = ExtractorId(name=provider.name, version=provider.version)
        self._claims_left = settings.extraction.rollouts_max()
        self._total: int | None = None
        self.summary = ExtractionSummary()

    async def run(self, *, until_done: bool) -> None:
        """Work in `workers` slots; return when nothing can be claimed (until_done) or the claims of this start are
        used up."""
        await self._handle.ask(ReopenForExtractor(extractor=self._extractor))
        if until_done:
            totals = await self._handle.ask(GetExtractionTotals(eligibility=self._eligibility))
            self._total = totals.waiting_by_reason.get("ready", 0)
            if self._claims_left is not None:
                self._total = min(self._total, self._claims_left)
        async with trio.open_nursery() as nursery:
            for slot in range(self._workers):
                nursery.start_soon(self._serve, f"extraction-{slot}", until_done)

    async def _serve(self, worker: str, until_done: bool) -> None:
        while self._claims_left is None or self._claims_left > 0:
            token = self._handle.mint_token()
            terms = ClaimTerms(token=token, owner=self._handle.owner(worker), lease_ms=EXTRACTION_LEASE_MS)
            claimed = await self._handle.ask(ClaimExtraction(terms=terms, eligibility=self._eligibility))
            if isinstance(claimed, NothingToExtract):
                if until_done:
                    return
                due_seconds = (claimed.next_due_in_ms or 0) / 1000 or IDLE_POLL_SECONDS_MAX
                await trio.sleep(min(due_seconds, IDLE_POLL_SECONDS_MAX))
                continue
            if self._claims_left is not None:
                self._claims_left -= 1
            self._count("claimed")
            await self._work(claimed, token)

    async def _work(self, job: ExtractionClaimed, token: OwnershipToken) -> None:
        renewal = RenewExtraction(token=token, lease_ms=EXTRACTION_LEASE_MS)
        try:
            async with hold_lease(self._handle, renewal, lease_ms=EXTRACTION_LEASE_MS):
                reply = await self._handle.ask(await self._extract(job, token))
        except LeaseLostError as lost:
            log.warning("extraction abandoned", thread=job.thread_id, reason=str(lost))
        except trio.Cancelled:
            with trio.CancelScope(shield=True, deadline=trio.current_time() + GIVE_BACK_SECONDS_MAX):
                await self._handle.ask(ReleaseExtraction(token=token))
            raise
        except StoreError:
            raise
        except OSError as error:
            await self._fail(job, token, f"{job.rollout_path}: {plain_reason(error)}")
        except Exception as error:
            log.exception("extraction failed", thread=job.thread_id)
            await self._fail(job, token, f"{type(error).__name__}: {error}")
        else:
            self._note_finish(job, reply)

    async def _extract(self, job: ExtractionClaimed, token: OwnershipToken) -> FinishExtraction:
        conversation: Conversation = await trio.to_thread.run_sync(self._read, job, abandon_on_cancel=True)
        finish = FinishExtraction(
            token=token, input_digest=conversation.input_digest, extractor=self._extractor, draft=None
        )
        last = job.last
        if last is not None and last.extractor == self._extractor and last.input_digest == conversation.input_digest:
            return finish
        answer = await self._provider.extract(ExtractionTask(scope=job.scope, conversation=conversation))
        refuse_partial(answer)
        return attrs.evolve(finish, draft=_draft(answer))

    def _read(self, job: ExtractionClaimed) -> Conversation:
        return read_conversation(self._codex_home, job.rollout_path, job.thread_id, redact=redact)

    async def _fail(self, job: ExtractionClaimed, token: OwnershipToken, reason: str) -> None:
        reply = await self._handle.ask(
            FailExtraction(
                token=token,
                failure=FailureClass.TRANSIENT,
                reason=redact(reason),
                jitter_permille=random.randint(0, 1000),
            )
        )
        if not isinstance(reply, NotOwner):
            self._count("failed" if isinstance(reply, DeadLettered) else "retrying")
            log.warning("extraction failed", thread=job.thread_id, attempt=job.attempt, reason=redact(reason))

    def _note_finish(self, job: ExtractionClaimed, reply: ExtractionFinished | NotOwner) -> None:
        match reply:
            case NotOwner():
                log.warning("extraction came too late", thread=job.thread_id)
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


class PartialAnswerError(Exception):
    """The model gave half of an answer; a good memory must not be replaced by it."""


def refuse_partial(answer: ExtractionAnswer) -> None:
    """Refuse an answer with a summary but no memory, or the other way round.

    Raises:
      PartialAnswerError: exactly one of the two texts is blank.
    """
    if bool(answer.rollout_summary.strip()) != bool(answer.raw_memory.strip()):
        raise PartialAnswerError("the model answered only one of summary and memory")


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
