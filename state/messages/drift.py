"""Messages of comparing: what the index holds, said so that it can be held against the files and against Codex's own
database, and the two changes that put it right again.

A drift is a place where two of them do not say the same. Reading the files again is how one of the index is repaired.
"""

from collections.abc import Mapping

import attrs

from state.ids import OwnershipToken, ProcessUuid, Scope, ThreadId
from state.messages.backfill import FileStatus, RolloutRead
from state.messages.base import Lane, LongRead, Request, SmallRead
from state.messages.leases import NotOwner
from state.messages.threads import Thread


@attrs.frozen(kw_only=True)
class ThreadRowPage:
    """threads: in ascending id order, at most `limit`. edited: of those of them that were edited, which columns.
    next_after is None on the last page."""

    threads: tuple[Thread, ...]
    edited: Mapping[ThreadId, frozenset[str]]
    next_after: str | None


@attrs.frozen(kw_only=True)
class ListThreadRows(LongRead[ThreadRowPage]):
    """Every thread row, whether a listing would show it or not, one page at a time."""

    after: str = ""
    limit: int = 500


@attrs.frozen(kw_only=True)
class RolloutRow:
    """What the index says of one rollout file."""

    path: str
    status: FileStatus = attrs.field(converter=FileStatus)
    reason: str
    thread_id: ThreadId | None


@attrs.frozen(kw_only=True)
class LookUpRollouts(SmallRead[tuple[RolloutRow, ...]]):
    """The rows of these files, and of the files of these threads; what has no row is absent."""

    paths: tuple[str, ...] = ()
    threads: tuple[ThreadId, ...] = ()


@attrs.frozen(kw_only=True)
class MisplacedThread:
    """A file row and a thread row that do not fit.

    Attributes:
      path: of the file that is indexed for the thread; '' when none is.
      thread_path: where the thread's row says that its file is; '' when the thread has no row.
      file_status: of the file that the thread's row names, or None when that file has no row.
    """

    thread_id: ThreadId
    path: str
    thread_path: str
    file_status: FileStatus | None = attrs.field(converter=attrs.converters.optional(FileStatus))


@attrs.frozen(kw_only=True)
class IndexDrift:
    """Where the index contradicts itself. Each list is cut at the asked limit.

    Attributes:
      without_thread: files that are indexed, and whose thread has no row.
      elsewhere: threads whose row names another file than the one that is indexed for them.
      without_file: threads for which no file is indexed.
      without_job: threads with content that no extraction job waits for.
    """

    without_thread: tuple[MisplacedThread, ...]
    elsewhere: tuple[MisplacedThread, ...]
    without_file: tuple[MisplacedThread, ...]
    without_job: tuple[MisplacedThread, ...]


@attrs.frozen(kw_only=True)
class FindIndexDrift(LongRead[IndexDrift]):
    """Where do file rows, thread rows and jobs contradict each other?"""

    limit: int = 20_000


@attrs.frozen(kw_only=True)
class ReadingDrift:
    """A file whose reading from the start is not what its rows say. columns: names, with what is stored and what the
    file says, as texts."""

    path: str
    thread_id: ThreadId | None
    columns: tuple[tuple[str, str, str], ...]


@attrs.frozen(kw_only=True)
class CompareReadings(LongRead[tuple[ReadingDrift, ...]]):
    """Do the rows say what these files say? Only indexed files are compared; readings must be from the start."""

    readings: tuple[RolloutRead, ...]
    model_provider_default: str


@attrs.frozen(kw_only=True)
class RereadRollouts(Request[int | NotOwner]):
    """Have these files read from their start by the next scan: their checkpoints are dropped, and so are the tools of
    their threads, which only a first reading writes. Rows of threads stay until then.

    Replies how many files that are. Asking again is safe.
    """

    lane = Lane.BULK
    token: OwnershipToken
    paths: tuple[str, ...]


@attrs.frozen(kw_only=True)
class RecordLostFiles(Request[int | NotOwner]):
    """These threads have a row, and their file has none and is not on disk: give it a vanished row, so that the thread
    is hidden and seen as what it is. Nothing is deleted.

    Replies how many rows were made. Asking again is safe.
    """

    lane = Lane.BULK
    token: OwnershipToken
    threads: tuple[ThreadId, ...]


@attrs.frozen(kw_only=True)
class HeldLease:
    """One lease that a row names an owner of. is_stale: it has ended, and anybody may claim the row."""

    kind: str
    subject: str
    process: ProcessUuid
    worker: str
    is_stale: bool


@attrs.frozen(kw_only=True)
class ListHeldLeases(LongRead[tuple[HeldLease, ...]]):
    """Who holds what?"""

    limit: int = 1_000


@attrs.frozen(kw_only=True)
class DamagedLease:
    """A row whose lease columns nothing of memoryd writes so. job_id: as GetJob names it; '' for the scan.

    Attributes:
      found: what is wrong, in a few words.
      can_be_claimed: the next claim writes the columns anew; otherwise the row is passed by, for good.
    """

    kind: str
    job_id: str
    found: str
    can_be_claimed: bool


@attrs.frozen(kw_only=True)
class ListDamagedLeases(LongRead[tuple[DamagedLease, ...]]):
    """Which rows hold half a lease, or a fencing number that cannot grow?"""

    limit: int = 1_000


@attrs.frozen(kw_only=True)
class GenerationRow:
    """What the row of one scope says of its files.

    Attributes:
      scope_folder: the scope's folder below generations/.
      link: relative to the memories folder.
      generation_folder: relative to the memories folder; None when nothing was published.
      is_held: somebody works on the scope now, and may be staging.
    """

    scope: Scope
    scope_folder: str
    link: str
    generation_folder: str | None
    published_digest: str | None
    is_held: bool


@attrs.frozen(kw_only=True)
class ListGenerations(LongRead[tuple[GenerationRow, ...]]):
    """Every scope, the home among them, with what is published of it."""
