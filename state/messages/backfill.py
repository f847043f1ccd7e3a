"""Messages of the backfill: who may scan, which files are known, what reading each of them gave."""

from enum import StrEnum

import attrs

from state.ids import OwnershipToken, ThreadId
from state.messages.base import Lane, LongRead, Request, SmallRead
from state.messages.leases import ClaimTerms, NotOwner, Owner, Released, Renewed, check_lease_ms, check_text
from state.rollouts.model import Checkpoint, FoundRollout, RolloutReading, UnreadablePath


class FileStatus(StrEnum):
    """What became of one rollout file. Stored as this text."""

    PENDING = "pending"
    """Seen in a listing, not read yet."""
    INDEXED = "indexed"
    """Read; its thread row is up to date with it."""
    SHADOWED = "shadowed"
    """Read, but another file holds the same thread and goes before it."""
    SKIPPED = "skipped"
    """Read, and it holds no thread; the reason says why. Read again when it changes."""
    FAILED = "failed"
    """Could not be read; tried again at next_attempt_at_ms."""
    VANISHED = "vanished"
    """Was there before and is gone. Its thread row stays."""


@attrs.frozen(kw_only=True)
class BackfillClaimed:
    """The asker may scan. fencing_number grows by one at each claim and is never used again."""

    fencing_number: int
    stolen_from: Owner | None


@attrs.frozen(kw_only=True)
class BackfillHeld:
    """Another owner is scanning."""

    owner: Owner
    lease_left_ms: int


@attrs.frozen(kw_only=True)
class ClaimBackfill(Request[BackfillClaimed | BackfillHeld]):
    """Ask to be the one process that scans. Asking again with the same token is safe.

    Raises:
      DamagedRowError: the scan's fencing number cannot grow any more; nothing of ours wrote it.
    """

    terms: ClaimTerms


@attrs.frozen(kw_only=True)
class RenewBackfill(Request[Renewed | NotOwner]):
    """Keep the claim. A late renewal is granted as long as nobody has stolen the row. Asking again is safe."""

    lane = Lane.URGENT
    token: OwnershipToken = attrs.field(validator=check_text)
    lease_ms: int = attrs.field(validator=check_lease_ms)


@attrs.frozen(kw_only=True)
class FinishBackfill(Request[Released | NotOwner]):
    """Give the claim back. `listed` says that the whole tree was listed, so that the files' rows are the full truth.

    Asking again answers NotOwner and changes nothing.
    """

    lane = Lane.URGENT
    token: OwnershipToken
    listed: bool


_STATUSES = {status.value: status for status in FileStatus}


def _file_status(text: str) -> FileStatus:
    """A row's text as what it means: cheaper than calling the enumeration, for each file of a home."""
    return _STATUSES[text]


@attrs.frozen(kw_only=True)
class KnownRollout:
    """What the store knows of one file, enough to tell whether it must be read again."""

    path: str
    size_bytes: int
    mtime_ns: int
    inode: int
    status: FileStatus = attrs.field(converter=_file_status)
    next_attempt_at_ms: int | None


@attrs.frozen(kw_only=True)
class KnownRolloutPage:
    """rollouts: in ascending path order, at most `limit`. next_after is None on the last page."""

    rollouts: tuple[KnownRollout, ...]
    next_after: str | None


@attrs.frozen(kw_only=True)
class ListKnownRollouts(SmallRead[KnownRolloutPage]):
    """The files that the store knows, one page at a time; only those below the folder `below` if it is not ''."""

    after: str = ""
    limit: int = 2_000
    below: str = ""


@attrs.frozen(kw_only=True)
class FindKnownRollouts(SmallRead[tuple[KnownRollout, ...]]):
    """Those of these paths that the store knows, in ascending path order."""

    paths: tuple[str, ...]


@attrs.frozen(kw_only=True)
class ListPendingRollouts(SmallRead[tuple[str, ...]]):
    """Paths of files that wait to be read, whoever left them so; newest path first."""

    limit: int = 500


@attrs.frozen(kw_only=True)
class RegisterRollouts(Request[int | NotOwner]):
    """Give each file a row before it is read, so that nothing is in work unseen.

    A known file that changed becomes pending again and keeps its checkpoint. A path that cannot be looked at gets a
    failed row, so that it is seen. Replies how many files are new or changed. Asking again is safe.
    """

    lane = Lane.BULK
    token: OwnershipToken
    found: tuple[FoundRollout, ...]
    unreadable: tuple[UnreadablePath, ...] = ()


@attrs.frozen(kw_only=True)
class LoadCheckpoints(SmallRead[dict[str, Checkpoint]]):
    """Where the last reading of each of these files stopped; files that were never read are absent."""

    paths: tuple[str, ...]


@attrs.frozen(kw_only=True)
class RolloutRead:
    """A file was read; `reading` may still say that it holds no thread."""

    found: FoundRollout
    reading: RolloutReading


@attrs.frozen(kw_only=True)
class RolloutUnreadable:
    """A file could not be read now. reason: plain, without the path."""

    path: str
    reason: str


@attrs.frozen(kw_only=True)
class RolloutsRecorded:
    """What a RecordRollouts did, by number of files."""

    indexed: int
    shadowed: int
    skipped: int
    failed: int


@attrs.frozen(kw_only=True)
class RecordRollouts(Request[RolloutsRecorded | NotOwner]):
    """Store what reading files gave: file rows, thread rows, tools, and the extraction work that follows.

    Either all of it is stored or nothing. Asking again with the same readings is safe and changes nothing.
    """

    lane = Lane.BULK
    token: OwnershipToken
    model_provider_default: str
    outcomes: tuple[RolloutRead | RolloutUnreadable, ...]


@attrs.frozen(kw_only=True)
class MarkRolloutsVanished(Request[int | NotOwner]):
    """These files are no longer there. Their rows stay, marked; a file shadowed by one of them is read again.

    Replies how many rows changed. Asking again is safe.
    """

    lane = Lane.BULK
    token: OwnershipToken
    paths: tuple[str, ...]


@attrs.frozen(kw_only=True)
class RecordThreadNames(Request[int]):
    """Names that people gave their threads, from session_index.jsonl. Replies how many rows changed. Repeatable.

    A name that was given through memoryd later, or at a time that cannot be compared, stays.

    Attributes:
      named_at_ms: when each was given, Unix ms; those are absent of which the file does not say it.
    """

    lane = Lane.BULK
    names: dict[ThreadId, str]
    named_at_ms: dict[ThreadId, int] = attrs.field(factory=dict)


@attrs.frozen(kw_only=True)
class NameDrift:
    """A row has another name than the one that was given last."""

    thread_id: ThreadId
    stored: str | None
    given: str


@attrs.frozen(kw_only=True)
class CompareThreadNames(SmallRead[tuple[NameDrift, ...]]):
    """Which rows would RecordThreadNames change?"""

    names: dict[ThreadId, str]
    named_at_ms: dict[ThreadId, int] = attrs.field(factory=dict)


@attrs.frozen(kw_only=True)
class BackfillState:
    """How complete the index is. Computed from the files' rows; there is no flag that could lie.

    Attributes:
      complete: a whole listing has been recorded and no file waits to be read.
      files_by_status: FileStatus value to number of files.
      listed_at_ms: when the last whole listing ended, or None.
      owner: who is scanning now, or None.
    """

    complete: bool
    files_by_status: dict[str, int]
    listed_at_ms: int | None
    owner: Owner | None


@attrs.frozen(kw_only=True)
class GetBackfillState(LongRead[BackfillState]):
    """How complete is the index?"""


@attrs.frozen(kw_only=True)
class TroubledRollout:
    """A file that is not simply indexed, for people to see."""

    path: str
    status: FileStatus = attrs.field(converter=FileStatus)
    reason: str
    attempts: int
    next_attempt_at_ms: int | None


@attrs.frozen(kw_only=True)
class ListTroubledRollouts(LongRead[tuple[TroubledRollout, ...]]):
    """Files that were skipped, failed, shadowed, vanished, or indexed with a remark; newest path first."""

    limit: int = 50
