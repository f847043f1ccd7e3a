"""What all messages share: a request knows its reply, its lane, and whether it changes anything.

Requests are imperatives (`ClaimExtraction`), replies are states or past participles (`ExtractionClaimed`). A refusal
is a reply; an exception means that the store could not answer. One transaction per request: two facts that must
change together are one message. Each request says whether asking again is safe, and that is the whole retry policy.
"""

import enum
from typing import ClassVar, Generic, TypeVar

ReplyT_co = TypeVar("ReplyT_co", covariant=True)


class Lane(enum.IntEnum):
    """In which order the store takes up what waits. Lower goes first."""

    URGENT = 0
    """Renew, finish, fail, release: late ones expire leases, and an overload would feed itself."""
    CLAIM = 1
    """Claims and small reads: somebody waits for the answer."""
    BULK = 2
    """Backfill writes: large, many, and nobody waits for a single one."""


class Request(Generic[ReplyT_co]):
    """A question for the store; ReplyT_co is the one type that its answer can have.

    Attributes:
      lane: see Lane.
      mutates: False promises that the rule writes nothing.
      begins_batch: it acts outside of the database on what is committed, so nothing that may still be undone stands
        before it in its transaction.
      is_long_read: answered by the read-only connection, so that no renewal waits behind a scan.
    """

    lane: ClassVar[Lane] = Lane.CLAIM
    mutates: ClassVar[bool] = True
    begins_batch: ClassVar[bool] = False
    is_long_read: ClassVar[bool] = False


class SmallRead(Request[ReplyT_co]):
    """A question that changes nothing and touches a few rows by key. Asking again is always safe."""

    mutates = False


class LongRead(Request[ReplyT_co]):
    """A question that changes nothing and may walk many rows. Asking again is always safe."""

    mutates = False
    is_long_read = True
