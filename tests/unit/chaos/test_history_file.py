"""A history on disk: what was written before a kill is read, and what has no answer is lost."""

from pathlib import Path
from typing import Any

import pytest

from chaos.history_file import FileRecord, moment, read_history
from chaos.operations import Answer
from state.ids import OwnershipToken, ProcessUuid
from state.messages.base import Request
from state.messages.extraction import (
    ClaimExtraction,
    DeadLettered,
    ExtractionClaimed,
    ExtractionFinished,
    ExtractorId,
    FailExtraction,
    FailureClass,
    FinishExtraction,
    FinishResult,
    LastExtraction,
    NothingToExtract,
    ReleaseExtraction,
    RenewExtraction,
    RetryScheduled,
)
from state.messages.leases import NotOwner, Released, Renewed
from state.messages.service import LeasesReturned, ReturnLeases
from tests.fakes.clock import ManualClock
from tests.fakes.consolidation import SHOP
from tests.fakes.extraction import EVERYTHING, EXTRACTOR, draft
from tests.fakes.memory_state import terms
from tests.fakes.readings import thread_id

TOKEN = OwnershipToken("token")
CLAIM = ClaimExtraction(terms=terms("token"), eligibility=EVERYTHING)
FAIL = FailExtraction(token=TOKEN, failure=FailureClass.TRANSIENT, reason="why", jitter_permille=1)
SAID: list[tuple[Request[Any], Any]] = [
    (
        CLAIM,
        ExtractionClaimed(
            thread_id=thread_id(1),
            scope=SHOP,
            rollout_path="sessions/a.jsonl",
            content_revision=3,
            fencing_number=4,
            attempt=2,
            last=LastExtraction(input_digest="digest", extractor=ExtractorId(name="builtin", version=1)),
        ),
    ),
    (CLAIM, NothingToExtract(next_due_in_ms=None)),
    (RenewExtraction(token=TOKEN, lease_ms=1), Renewed(lease_until_boot_ms=5)),
    (ReleaseExtraction(token=TOKEN), Released()),
    (
        FinishExtraction(token=TOKEN, input_digest="input", extractor=EXTRACTOR, draft=draft("ä\n")),
        ExtractionFinished(result=FinishResult.SAVED),
    ),
    (FinishExtraction(token=TOKEN, input_digest="input", extractor=EXTRACTOR, draft=None), NotOwner()),
    (FAIL, RetryScheduled(next_attempt_at_ms=7)),
    (FAIL, DeadLettered()),
    (
        ReturnLeases(process=ProcessUuid("process-1")),
        LeasesReturned(backfills=0, extractions=1, consolidations=0),
    ),
    (CLAIM, Answer.WITHDRAWN),
    (CLAIM, Answer.LOST),
]


@pytest.mark.parametrize(("request_", "answer"), SAID)
def test_what_was_asked_and_answered_is_read_as_it_was(tmp_path: Path, request_: Request[Any], answer: Any) -> None:
    clock = ManualClock()
    answered = FileRecord(tmp_path / "history", clock).asked(request_, "slot-1")
    clock.advance(5)
    answered(answer)

    (operation,) = read_history(tmp_path / "history", None)
    assert (operation.request, operation.answer, operation.by) == (request_, answer, "slot-1")
    assert operation.ended is not None
    assert operation.asked.order < operation.ended.order
    assert operation.ended.at.boot_ms - operation.asked.at.boot_ms == 5


def test_what_was_asked_before_a_kill_and_not_answered_is_lost_and_over_with_the_process(tmp_path: Path) -> None:
    clock = ManualClock()
    FileRecord(tmp_path / "history", clock).asked(CLAIM, "")
    died = moment(clock)

    (operation,) = read_history(tmp_path / "history", died)
    assert (operation.answer, operation.ended) == (Answer.LOST, died)


def test_torn_last_line_says_nothing(tmp_path: Path) -> None:
    record = FileRecord(tmp_path / "history", ManualClock())
    record.asked(CLAIM, "")(NothingToExtract(next_due_in_ms=None))
    whole = (tmp_path / "history").read_bytes()

    (tmp_path / "history").write_bytes(whole[:-3])

    assert [operation.answer for operation in read_history(tmp_path / "history", None)] == [Answer.LOST]


def test_history_of_one_process_is_never_another_ones(tmp_path: Path) -> None:
    FileRecord(tmp_path / "history", ManualClock())

    with pytest.raises(FileExistsError):
        FileRecord(tmp_path / "history", ManualClock())
