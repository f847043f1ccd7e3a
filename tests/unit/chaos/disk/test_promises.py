"""The judge of answers, on histories that are made up."""

from typing import Any

import attrs
import pytest

from chaos.disk.promises import UNANSWERED, Asked, Batch, Model, Remains, judge, promised
from chaos.disk.workload import script
from state.errors import NotCommittedError, OutcomeUnknownError, RuleFailedError
from state.ids import Instant
from state.messages.base import Request

AT = Instant(wall_ms=1_790_000_000_000, boot_ms=1_000_000, boot_id="boot")

NOT_STORED = NotCommittedError("the disk is full: the change was not stored")
UNKNOWN = OutcomeUnknownError("the disk failed")


class Replies:
    """Answers batches as a store does that has no disk."""

    def __init__(self) -> None:
        self.model = Model()

    def batch(self, requests: tuple[Request[Any], ...]) -> Batch:
        told = self.model.replies(AT, requests)
        return Batch(AT, tuple(Asked(request, reply) for request, reply in zip(requests, told, strict=True)))


@pytest.fixture
def replies() -> Replies:
    return Replies()


BATCHES = script(1, 1)


def answering(batch: Batch, answer: object) -> Batch:
    """The same batch, with this answer for everybody."""
    return attrs.evolve(batch, asked=tuple(Asked(asked.request, answer) for asked in batch.asked))


def test_rows_that_the_answers_promise_are_kept(replies: Replies) -> None:
    history = [replies.batch(requests) for requests in BATCHES]

    verdict = judge(history, replies.model.tables())

    assert (verdict.remains, verdict.remarks) == (Remains.KEPT, ())


def test_state_from_before_an_acknowledged_batch_is_a_loss(replies: Replies) -> None:
    first = replies.batch(BATCHES[0])
    before = replies.model.tables()
    second = replies.batch(BATCHES[1])

    verdict = judge([first, second], before)

    assert verdict.remains is Remains.LOST
    assert verdict.remarks == ("of 2 batches the last 1 are missing",)


def test_half_of_a_request_is_no_state_that_ever_was(replies: Replies) -> None:
    history = [replies.batch(requests) for requests in BATCHES]
    whole = replies.model.tables()
    assert whole["memories"]

    for table in ("memories", "memory_notes", "extraction_jobs", "scopes"):
        verdict = judge(history, {**whole, table: whole[table][:-1]})
        assert verdict.remains is Remains.HALF, table


def test_refused_batch_must_not_be_there(replies: Replies) -> None:
    before = replies.model.tables()
    refused = answering(replies.batch(BATCHES[0]), NOT_STORED)

    assert judge([refused], before).remains is Remains.KEPT
    assert judge([refused], replies.model.tables()).remains is Remains.HALF


@pytest.mark.parametrize("answer", [UNKNOWN, UNANSWERED])
def test_unknown_batch_is_one_of_the_two(replies: Replies, answer: object) -> None:
    before = replies.model.tables()
    unknown = answering(replies.batch(BATCHES[0]), answer)
    after = replies.model.tables()

    verdicts = [judge([unknown], tables) for tables in (before, after)]

    assert [(verdict.remains, verdict.stored) for verdict in verdicts] == [(Remains.KEPT, 0), (Remains.KEPT, 1)]
    assert judge([unknown], {**after, "backfill": []}).remains is Remains.HALF


def test_reply_that_is_not_what_the_rules_say_is_remarked(replies: Replies) -> None:
    batch = replies.batch(BATCHES[0])
    wrong = attrs.evolve(batch, asked=(Asked(batch.asked[0].request, "nonsense"), *batch.asked[1:]))

    (remark,) = judge([wrong], replies.model.tables()).remarks

    assert "ClaimBackfill was answered nonsense" in remark


@pytest.mark.parametrize("answer", [RuleFailedError("a bug"), ValueError("a bug"), NotCommittedError("")])
def test_error_that_no_disk_causes_or_that_says_nothing_is_remarked(replies: Replies, answer: Exception) -> None:
    before = replies.model.tables()
    batch = answering(replies.batch(BATCHES[0]), answer)

    assert judge([batch], before).remarks


def test_batch_that_is_unknown_to_some_of_its_askers_only_is_remarked(replies: Replies) -> None:
    batch = replies.batch(BATCHES[0])
    mixed = attrs.evolve(batch, asked=(Asked(batch.asked[0].request, UNKNOWN), *batch.asked[1:]))

    assert "batch 0 is half unknown" in judge([mixed], replies.model.tables()).remarks


def test_power_cut_may_keep_the_batch_in_hand_and_must_keep_the_answered_ones(replies: Replies) -> None:
    history = [replies.batch(requests) for requests in BATCHES[:3]]
    promises = promised(history)
    judged = [promises.judge(state, answered=1, begun=2) for state in promises.states]

    assert judged == [Remains.LOST, Remains.KEPT, Remains.KEPT, Remains.GHOST]


def test_refused_batch_may_be_on_the_disk_until_its_askers_are_told(replies: Replies) -> None:
    refused = answering(replies.batch(BATCHES[0]), NOT_STORED)
    whole = replies.model.tables()
    promises = promised([refused])

    assert promises.judge(whole, answered=0, begun=1) is Remains.KEPT
    assert promises.judge(whole, answered=1, begun=1) is Remains.GHOST
