"""The inbox: order of lanes, order of arrival, and the moment from which a request cannot be taken back."""

from typing import cast

import trio

from state.inbox import BATCHES_BEFORE_BULK_MAX, Inbox, Ticket
from tests.fakes.probe import BeginningProbe, BulkProbe, Probe, UrgentProbe, insert

_NOBODY = cast(trio.lowlevel.Task, None)


def ticket(kind: type[Probe] = Probe) -> Ticket:
    """A request that nobody waits for."""
    return Ticket(kind(insert("a")), _NOBODY)


def test_lanes_go_in_order_and_within_a_lane_the_first_goes_first() -> None:
    inbox = Inbox()
    bulk, claim, urgent, later = ticket(BulkProbe), ticket(), ticket(UrgentProbe), ticket()
    for one in (bulk, claim, urgent, later):
        inbox.put(one)

    assert [inbox.pick() for _ in range(4)] == [urgent, claim, later, bulk]


def test_request_that_begins_a_batch_ends_the_one_before_it_and_is_the_first_of_the_next() -> None:
    inbox = Inbox()
    claim, beginning, late = ticket(), ticket(BeginningProbe), ticket(UrgentProbe)
    inbox.put(claim)
    inbox.put(beginning)

    assert inbox.pick() is claim
    assert inbox.pick(within_batch=True) is None
    inbox.put(late)
    assert inbox.pick() is beginning, "else it would wait for as long as urgent ones keep coming"
    assert inbox.pick(within_batch=True) is late


def test_request_that_would_have_begun_a_batch_can_be_taken_back() -> None:
    inbox = Inbox()
    beginning = ticket(BeginningProbe)
    inbox.put(beginning)
    assert inbox.pick(within_batch=True) is None

    assert inbox.withdraw(beginning) is True
    assert inbox.pick() is None


def test_bulk_write_does_not_follow_another_request_in_its_batch() -> None:
    inbox = Inbox()
    claim, bulk, second = ticket(), ticket(BulkProbe), ticket(BulkProbe)
    for one in (bulk, second, claim):
        inbox.put(one)

    assert inbox.pick() is claim
    assert inbox.pick(within_batch=True) is None
    assert inbox.pick() is bulk
    assert inbox.pick(within_batch=True) is second


def test_request_that_comes_while_bulk_writes_are_taken_up_ends_their_batch_and_shares_it() -> None:
    inbox = Inbox()
    bulk, second, claim, urgent = ticket(BulkProbe), ticket(BulkProbe), ticket(), ticket(UrgentProbe)
    inbox.put(bulk)
    inbox.put(second)

    assert inbox.pick() is bulk
    inbox.put(claim)
    assert inbox.pick(within_batch=True) is claim
    inbox.put(urgent)
    assert inbox.pick(within_batch=True) is urgent
    assert inbox.pick(within_batch=True) is None
    assert inbox.pick() is second


def test_request_that_begins_a_batch_ends_one_of_bulk_writes_without_sharing_it() -> None:
    inbox = Inbox()
    bulk, second, beginning = ticket(BulkProbe), ticket(BulkProbe), ticket(BeginningProbe)
    for one in (bulk, second):
        inbox.put(one)

    assert inbox.pick() is bulk
    inbox.put(beginning)
    assert inbox.pick(within_batch=True) is None
    assert inbox.pick() is beginning
    assert inbox.pick(within_batch=True) is None
    assert inbox.pick() is second


def test_batch_of_bulk_writes_that_is_ended_takes_up_others_only() -> None:
    inbox = Inbox()
    bulk, second, claim = ticket(BulkProbe), ticket(BulkProbe), ticket()
    for one in (bulk, second):
        inbox.put(one)

    assert inbox.pick() is bulk
    inbox.end_bulk()
    assert inbox.pick(within_batch=True) is None
    inbox.put(claim)
    assert inbox.pick(within_batch=True) is claim
    assert inbox.pick() is second


def test_bulk_is_next_only_while_nothing_else_waits() -> None:
    inbox = Inbox()
    assert not inbox.is_bulk_next

    inbox.put(ticket(BulkProbe))
    assert inbox.is_bulk_next

    inbox.put(ticket())
    assert not inbox.is_bulk_next


def test_bulk_write_has_its_turn_though_others_never_cease() -> None:
    inbox = Inbox()
    bulk = ticket(BulkProbe)
    inbox.put(bulk)
    picked: list[Ticket | None] = []
    while bulk not in picked:
        inbox.put(ticket(UrgentProbe))
        picked.append(inbox.pick())

    assert len(picked) == BATCHES_BEFORE_BULK_MAX + 1


def test_empty_inbox_gives_nothing() -> None:
    assert Inbox().pick() is None


def test_length_counts_what_waits_in_every_lane() -> None:
    inbox = Inbox()
    for kind in (BulkProbe, Probe, UrgentProbe):
        inbox.put(ticket(kind))

    assert len(inbox) == 3
    inbox.pick()
    assert len(inbox) == 2


def test_waiting_request_can_be_taken_back() -> None:
    inbox = Inbox()
    first, second = ticket(), ticket()
    inbox.put(first)
    inbox.put(second)

    assert inbox.withdraw(first) is True
    assert inbox.pick() is second
    assert inbox.pick() is None


def test_picked_request_cannot_be_taken_back() -> None:
    inbox = Inbox()
    only = ticket()
    inbox.put(only)
    inbox.pick()

    assert inbox.withdraw(only) is False
