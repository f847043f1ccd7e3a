"""What the store has promised by its answers, and whether a database keeps it. Knows nothing of how the answers came.

A reply means: stored, whole. An error means: not stored, but for `OutcomeUnknownError` and no answer at all, which mean
one of the two, and the same for every request of their batch. So the rows must be exactly those that the acknowledged
requests make one after the other, on a database in memory without a store around it. A request that saves a memory,
ends its job and marks its scope is one request here too, so half of it is never the right state.
"""

import functools
import itertools
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import Any, cast

import apsw
import attrs

from state.errors import NotCommittedError, OutcomeUnknownError, StoreBrokenError, StoreBusyError, StoreError
from state.ids import Instant
from state.journal import MemoryJournal
from state.messages.base import Request
from state.messages.consolidation import Pointed
from state.migrate import migrate
from state.rules.registry import RULES
from state.sqlite_transaction import SqliteTransaction, drive

Tables = dict[str, list[tuple[Any, ...]]]
"""Every row that requests make, by table."""

UNANSWERED = object()
"""In the place of an answer: nobody was told anything."""

_NOT_MADE_BY_REQUESTS = ("home", "processes", "workers")
"""Tables that opening writes, too: who has the file open is not a promise."""

_REFUSALS = (NotCommittedError, StoreBrokenError, StoreBusyError)
"""Errors that say for certain that nothing was changed, and that a failing disk may cause."""


@attrs.frozen
class Asked:
    """One request and what its asker was told: a reply, a StoreError, or UNANSWERED."""

    request: Request[Any]
    answer: Any

    @property
    def is_open(self) -> bool:
        """Nobody knows whether it was stored."""
        return self.answer is UNANSWERED or isinstance(self.answer, OutcomeUnknownError)

    @property
    def is_refused(self) -> bool:
        """The asker was told that nothing was changed."""
        return isinstance(self.answer, Exception) and not self.is_open


@attrs.frozen
class Batch:
    """What was answered together, in the order in which it ran, and the instant that its rules were told."""

    at: Instant
    asked: tuple[Asked, ...]

    @property
    def is_open(self) -> bool:
        """Nobody knows whether it was stored."""
        return any(asked.is_open for asked in self.asked)

    @property
    def acknowledged(self) -> int:
        """How many changes were acknowledged."""
        return sum(asked.request.mutates and not asked.is_open and not asked.is_refused for asked in self.asked)


class Remains(StrEnum):
    """What a database turned out to be."""

    KEPT = "kept"
    """Exactly what was promised."""
    LOST = "lost"
    """A state from before something that was acknowledged: whole, and too old."""
    GHOST = "ghost"
    """A state that nobody has asked for yet, or was told is not stored."""
    HALF = "half"
    """No state that ever was: a part of something is there."""
    CORRUPT = "corrupt"
    """Not a sound database."""


class Model:
    """The rules alone, on a database in memory."""

    def __init__(self, picture: "Picture | None" = None) -> None:
        """Begin where another model took a picture; else with an empty database."""
        picture = picture or Picture(_empty(), {})
        self._connection = apsw.Connection(":memory:")
        self._connection.deserialize("main", picture.database)
        self._connection.pragma("foreign_keys", True)
        self._transaction = _LinklessTransaction(self._connection, dict(picture.links))

    def run(self, batch: Batch, *, open_is_stored: bool) -> list[str]:
        """Run a batch's requests that are stored; answer where a reply is not what its asker was told."""
        stored = [asked for asked in batch.asked if not asked.is_refused and (open_is_stored or not asked.is_open)]
        replies = self.replies(batch.at, [asked.request for asked in stored])
        return [
            f"{type(asked.request).__name__} was answered {asked.answer}, and should be {reply}"
            for asked, reply in zip(stored, replies, strict=True)
            if not asked.is_open and not _is_same(asked.answer, reply)
        ]

    def replies(self, at: Instant, requests: Sequence[Request[Any]]) -> list[Any]:
        """Run these requests one after the other; answer their replies."""
        replies = []
        for request in requests:
            with self._connection:
                replies.append(drive(RULES[type(request)](self._transaction, request, at)))
        return replies

    def tables(self) -> Tables:
        """What is stored now."""
        return tables_of(self._connection)

    def picture(self) -> "Picture":
        """Everything, to begin another model with."""
        return Picture(self._connection.serialize("main"), dict(self._transaction.links))

    def close(self) -> None:
        """Forget everything."""
        self._connection.close()


@attrs.frozen
class Picture:
    """A model at one moment."""

    database: bytes
    links: dict[str, str]


@functools.cache
def _empty() -> bytes:
    connection = apsw.Connection(":memory:")
    migrate(connection)
    return connection.serialize("main")


class _LinklessTransaction(SqliteTransaction):
    """Keeps the links that rules point, instead of making them."""

    def __init__(self, connection: apsw.Connection, links: dict[str, str]) -> None:
        super().__init__(connection, Path("/nowhere"), MemoryJournal())  # the workload edits no thread
        self.links = links

    async def point(self, link: str, target: str) -> bool:
        changed = self.links.get(link) != target
        self.links[link] = target
        return changed


def _is_same(told: Any, reply: Any) -> bool:
    if isinstance(told, Pointed) and isinstance(reply, Pointed):
        # A link is made outside of the transaction: a batch that runs a second time finds it as it left it.
        return told.generation_folder == reply.generation_folder
    return bool(told == reply)


def tables_of(connection: apsw.Connection) -> Tables:
    """Every row that requests make, in a stable order."""
    names = [
        str(name)
        for (name,) in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name")
        if name not in _NOT_MADE_BY_REQUESTS
    ]
    return {
        name: cast("list[tuple[Any, ...]]", connection.execute(f"SELECT * FROM {name} ORDER BY 1, 2, 3").fetchall())
        for name in names
    }


@attrs.frozen
class Promised:
    """The states that a history passes through.

    Attributes:
      states: before everything, and after each batch.
      in_hand: what each batch would have made if it had been stored whole. Where a batch is refused in the end this is
        not what follows; but until its askers are told, it may be what is on the disk.
      wrong_replies: where an answer is not what the rules say, a sentence each.
    """

    states: tuple[Tables, ...]
    in_hand: tuple[Tables, ...]
    wrong_replies: tuple[str, ...]

    def judge(self, tables: Tables, *, answered: int, begun: int) -> Remains:
        """Judge what is left after a power cut.

        Args:
          answered: how many batches were answered before it.
          begun: how many had begun before it: `answered`, or one more.
        """
        if tables in self.states[answered : begun + 1] or tables in self.in_hand[answered:begun]:
            return Remains.KEPT
        if tables in self.states[:answered]:
            return Remains.LOST
        return Remains.GHOST if tables in (*self.states, *self.in_hand) else Remains.HALF


def promised(history: Sequence[Batch]) -> Promised:
    """What a history without anything open promises after each of its batches."""
    model = Model()
    states, in_hand, wrong = [model.tables()], [], []
    for batch in history:
        before = model.picture()
        wrong += model.run(batch, open_is_stored=True)
        states.append(model.tables())
        in_hand.append(states[-1])
        if any(asked.is_refused for asked in batch.asked):
            whole = Model(before)
            whole.replies(batch.at, [asked.request for asked in batch.asked])
            in_hand[-1] = whole.tables()
            whole.close()
    model.close()
    return Promised(tuple(states), tuple(in_hand), tuple(wrong))


@attrs.frozen
class Verdict:
    """What a whole history comes to.

    Attributes:
      remains: KEPT when the database is what was promised.
      open_batches: batches of which nobody knew whether they were stored.
      stored: of these, the ones that turned out to be; each of the others turned out not to be.
      remarks: what is wrong, a sentence each; empty when all is well.
    """

    remains: Remains
    open_batches: int
    stored: int
    remarks: tuple[str, ...]


def pictured(history: Sequence[Batch]) -> Picture:
    """Where a history without anything open ends, to judge many that begin with it."""
    model = Model()
    for batch in history:
        model.run(batch, open_is_stored=True)
    picture = model.picture()
    model.close()
    return picture


def judge(history: Sequence[Batch], tables: Tables, *, start: Picture | None = None) -> Verdict:
    """Decide whether these are the rows that the answers promised, and what became of what was open.

    Args:
      start: what was stored before this history.
    """
    remarks = [*_improper(history)]
    openings = [number for number, batch in enumerate(history) if batch.is_open]
    remarks += [f"batch {number} is half unknown" for number in openings if not _is_wholly_open(history[number])]
    for length in range(len(history), -1, -1):
        of_these = [number for number in openings if number < length]
        for stored in itertools.product((False, True), repeat=len(of_these)):
            state, wrong = _replayed(history[:length], dict(zip(of_these, stored, strict=True)), start)
            if state == tables and length == len(history):
                return Verdict(Remains.KEPT, len(openings), sum(stored), (*remarks, *wrong))
            if state == tables:
                remarks.append(f"of {len(history)} batches the last {len(history) - length} are missing")
                return Verdict(Remains.LOST, len(openings), 0, tuple(remarks))
    return Verdict(Remains.HALF, len(openings), 0, (*remarks, "the rows are in no state that was promised"))


def _replayed(history: Sequence[Batch], kept: dict[int, bool], start: Picture | None) -> tuple[Tables, list[str]]:
    model = Model(start)
    wrong = []
    for number, batch in enumerate(history):
        wrong += model.run(batch, open_is_stored=kept.get(number, False))
    tables = model.tables()
    model.close()
    return tables, wrong


def _improper(history: Sequence[Batch]) -> list[str]:
    """Errors that a failing disk is no reason for, and such that say nothing."""
    return [
        f"{type(asked.request).__name__} was answered {type(asked.answer).__name__}: {asked.answer}"
        for batch in history
        for asked in batch.asked
        if isinstance(asked.answer, Exception)
        and (
            not isinstance(asked.answer, StoreError)
            or not (asked.is_open or isinstance(asked.answer, _REFUSALS))
            or not str(asked.answer)
        )
    ]


def _is_wholly_open(batch: Batch) -> bool:
    """In a batch that is open every change is open, but for those that had failed by themselves."""
    return all(asked.is_open or asked.is_refused or not asked.request.mutates for asked in batch.asked)
