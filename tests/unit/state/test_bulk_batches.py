"""Batches of bulk writes: who shares them, and what it costs him."""

from collections.abc import Awaitable, Callable
from typing import Any, cast

import pytest
import trio

from state import group_commit
from state.ids import Instant
from state.inbox import Inbox, Ticket
from state.opening import OpenedStore
from state.transaction import Transaction
from tests.fakes.clock import ManualClock
from tests.fakes.probe import BulkProbe, Probe, insert, raising

Processes = Callable[[], set[str]]

_NOBODY = cast(trio.lowlevel.Task, None)


def _put_bulk_and_a_request_within(inbox: Inbox) -> None:
    """Two bulk writes wait; while the first one runs, a request comes."""

    def come(tx: Transaction, at: Instant) -> Awaitable[Any]:
        inbox.put(Ticket(Probe(insert("request")), _NOBODY))
        return insert("bulk")(tx, at)

    for work in (come, insert("bulk 2")):
        inbox.put(Ticket(BulkProbe(work), _NOBODY))


def test_request_that_comes_while_a_bulk_write_runs_shares_its_batch_and_other_bulk_writes_wait(
    opened: OpenedStore, processes: Processes
) -> None:
    inbox = Inbox()
    opened.group_commit.is_timeless = True

    _put_bulk_and_a_request_within(inbox)

    assert [answer.unwrap() for _, answer in opened.group_commit.serve(inbox)] == ["bulk", "request"]
    assert processes() == {"bulk", "request"}
    assert [answer.unwrap() for _, answer in opened.group_commit.serve(inbox)] == ["bulk 2"]


def test_request_that_shares_a_batch_of_bulk_writes_is_told_when_they_were_done(
    opened: OpenedStore, clock: ManualClock
) -> None:
    inbox = Inbox()
    opened.group_commit.is_timeless = True
    told: list[int] = []

    def tell(tx: Transaction, at: Instant) -> Awaitable[Any]:
        told.append(at.boot_ms)
        return insert(f"request {len(told)}")(tx, at)

    def take_long(tx: Transaction, at: Instant) -> Awaitable[Any]:
        clock.advance(5)
        for _ in range(2):
            inbox.put(Ticket(Probe(tell), _NOBODY))
        return insert("bulk")(tx, at)

    began_boot_ms = clock().boot_ms
    inbox.put(Ticket(BulkProbe(take_long), _NOBODY))
    opened.group_commit.serve(inbox)

    assert told == [began_boot_ms + 5] * 2


def test_request_that_fails_in_a_batch_of_bulk_writes_costs_only_itself(
    opened: OpenedStore, processes: Processes
) -> None:
    inbox = Inbox()
    opened.group_commit.is_timeless = True
    failing = [Ticket(Probe(raising(ValueError("no"))), _NOBODY)]

    def come(tx: Transaction, at: Instant) -> Awaitable[Any]:
        while failing:  # only the first time that the bulk write runs
            inbox.put(failing.pop())
        return insert("bulk")(tx, at)

    inbox.put(Ticket(BulkProbe(come), _NOBODY))
    answers = opened.group_commit.serve(inbox)

    assert [type(answer).__name__ for _, answer in answers] == ["Error", "Value"]
    assert processes() == {"bulk"}


def test_long_batch_of_bulk_writes_takes_up_whoever_else_waits_and_no_more_bulk(
    opened: OpenedStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(group_commit, "BULK_WORK_MS_MAX", 0)
    inbox = Inbox()

    _put_bulk_and_a_request_within(inbox)

    assert [answer.unwrap() for _, answer in opened.group_commit.serve(inbox)] == ["bulk", "request"]
