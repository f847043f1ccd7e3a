"""Messages of consolidation, phase 2: one scope's memories become one published generation of files.

The row says which generation is current; the file system follows it. So an owner that wakes up after its lease was
stolen can publish nothing: its token is refused here, and `PointCurrent` carries no generation of its own.
"""

from typing import Any

import attrs

from state.errors import InvalidRequestError
from state.ids import OwnershipToken, Scope, ThreadId
from state.messages.base import Lane, LongRead, Request, SmallRead
from state.messages.extraction import MemoryNote, RetryScheduled
from state.messages.leases import (
    ClaimTerms,
    NotOwner,
    Owner,
    Released,
    Renewed,
    check_lease_ms,
    check_text,
    check_whole_number,
)

HOME_SCOPE = Scope(kind="home", key="")
"""The whole home: its summary is derived from all current generations, and published like any other scope."""


def _check_scope(request: Any, field: "attrs.Attribute[Any]", value: object) -> None:
    if not isinstance(value, Scope) or not value.kind.strip():
        raise InvalidRequestError(
            f"{type(request).__name__}.{field.name} must be a Scope with a kind that is not empty, not {value!r}"
        )


@attrs.frozen(kw_only=True)
class ConsolidationClaimed:
    """One scope to consolidate.

    Attributes:
      inputs_mark: what the claim covers; memories saved later leave the scope dirty.
      fencing_number: names this claim's staging folder, which nobody else will ever use.
      published_digest: digest of the current generation's files, or None; equal bytes need no new generation.
    """

    scope: Scope
    scope_folder: str
    inputs_mark: int
    fencing_number: int
    published_digest: str | None


@attrs.frozen(kw_only=True)
class NothingToConsolidate:
    """No dirty scope can be claimed now. next_due_in_ms: when one may be; None when none waits."""

    next_due_in_ms: int | None


@attrs.frozen(kw_only=True)
class ClaimConsolidation(Request[ConsolidationClaimed | NothingToConsolidate]):
    """Claim a dirty scope; the home comes after all others. Asking again with the same token is safe.

    Attributes:
      cooldown_ms: leave a scope alone for so long after its last success; 0 for no rest. The home takes none: its
        files cost no model, and waiting would only hide what its projects have published.
    """

    terms: ClaimTerms
    cooldown_ms: int = attrs.field(default=0, validator=check_whole_number(0))


@attrs.frozen(kw_only=True)
class ScopeHeld:
    """Somebody else works on the scope. lease_left_ms is at least 0: who asked may have set a stricter measure."""

    owner: Owner
    lease_left_ms: int


@attrs.frozen(kw_only=True)
class ScopeBackingOff:
    """Its last consolidation failed, for this reason; it may be claimed again in left_ms."""

    reason: str
    left_ms: int


@attrs.frozen(kw_only=True)
class ScopeCoolingDown:
    """It was consolidated not long ago; it may be claimed again in left_ms."""

    left_ms: int


@attrs.frozen(kw_only=True)
class ScopeClean:
    """Nothing changed since it was consolidated, or there is no such scope; nothing was claimed."""


@attrs.frozen(kw_only=True)
class ClaimScope(Request[ConsolidationClaimed | ScopeHeld | ScopeBackingOff | ScopeCoolingDown | ScopeClean]):
    """Claim this one scope: the lock of its consolidation. A scope without a row gets one and is granted.

    Who holds it already by this token is granted it again, and the lease begins anew; the fencing number and what the
    claim covers stay. Nobody else is let in while the lease holds: not another process whose worker has the same name,
    and not this process's own worker with another token, since the token proves a claim and a name does not. So asking
    again with the same token is safe.

    Attributes:
      only_if_dirty: answer ScopeClean, and make no row, where nothing changed. Otherwise a clean scope is granted too.
      cooldown_ms: as in ClaimConsolidation.

    Raises:
      DamagedRowError: the scope's fencing number cannot grow any more; nothing of ours wrote it.
      RuleFailedError: the token holds another scope already, which is a defect of who asks. Nothing was changed.
    """

    terms: ClaimTerms
    scope: Scope = attrs.field(validator=_check_scope)
    only_if_dirty: bool = False
    cooldown_ms: int = attrs.field(default=0, validator=check_whole_number(0))


@attrs.frozen(kw_only=True)
class RenewConsolidation(Request[Renewed | NotOwner]):
    """Keep the scope. Asking again is safe."""

    lane = Lane.URGENT
    token: OwnershipToken = attrs.field(validator=check_text)
    lease_ms: int = attrs.field(validator=check_lease_ms)


@attrs.frozen(kw_only=True)
class ReleaseConsolidation(Request[Released | NotOwner]):
    """Give an unfinished scope back; it stays dirty. Asking again answers NotOwner and changes nothing."""

    lane = Lane.URGENT
    token: OwnershipToken


@attrs.frozen(kw_only=True)
class ScopeMemory:
    """One thread's memory with what its files need to cite it. rollout_path is relative to the Codex home."""

    thread_id: ThreadId
    rollout_path: str
    cwd: str
    git_branch: str | None
    created_at_ms: int
    source_at_ms: int
    rollout_summary: str
    rollout_slug: str | None
    raw_memory: str
    notes: tuple[MemoryNote, ...]


@attrs.frozen(kw_only=True)
class SelectedMemory:
    """One memory that a generation is made of, by its thread and the time of its content when it was loaded."""

    thread_id: ThreadId
    source_at_ms: int


@attrs.frozen(kw_only=True)
class LoadScopeMemories(SmallRead[tuple[ScopeMemory, ...]]):
    """The memories that a scope's files are made of, in ascending thread id order, at most `limit`.

    Ranked by use, then by age; threads whose memory mode is not `enabled` and invalidated memories are left out, and
    so are memories neither used nor renewed within unused_ms_max (None: never left out for that).
    """

    scope: Scope
    limit: int
    unused_ms_max: int | None


@attrs.frozen(kw_only=True)
class PublishedScope:
    """One scope with a current generation. generation_folder is relative to the memories folder."""

    scope: Scope
    scope_folder: str
    generation: int
    generation_folder: str
    source_at_ms: int


@attrs.frozen(kw_only=True)
class ListPublishedScopes(LongRead[tuple[PublishedScope, ...]]):
    """Scopes with a current generation, the home left out; most recent content first."""


@attrs.frozen(kw_only=True)
class GetHomeGeneration(SmallRead[PublishedScope | None]):
    """The current generation of the home-wide files; None before there is one."""


@attrs.frozen(kw_only=True)
class ConsolidationPublished:
    """The staged folder is the scope's current generation."""

    generation: int


@attrs.frozen(kw_only=True)
class ConsolidationUnchanged:
    """The files would be what they are: no new generation, and the scope is clean up to the claim's mark."""


@attrs.frozen(kw_only=True)
class PublishConsolidation(Request[ConsolidationPublished | ConsolidationUnchanged | NotOwner]):
    """Make the staged folder the current generation, under the token; the home becomes dirty with it.

    staged False says that the digest equals the published one and nothing was staged.
    Asking again answers NotOwner and changes nothing.

    Attributes:
      selected: what the files are made of, as it was loaded. A memory that went meanwhile leaves the scope dirty.
      generation_folder: relative to the memories folder; complete and fsynced before this is asked.
      source_at_ms: time of the newest content in it.
    """

    lane = Lane.URGENT
    token: OwnershipToken
    generation_folder: str
    digest: str
    source_at_ms: int
    memories: int
    staged: bool
    selected: tuple[SelectedMemory, ...] = ()


@attrs.frozen(kw_only=True)
class FailConsolidation(Request[RetryScheduled | NotOwner]):
    """Record why it did not work. The back-off belongs to the failure: new work does not erase it.

    Asking again answers NotOwner and changes nothing.
    """

    lane = Lane.URGENT
    token: OwnershipToken
    reason: str
    jitter_permille: int


@attrs.frozen(kw_only=True)
class Pointed:
    """The scope's `current` link names the row's generation. changed is False when it did before."""

    generation_folder: str
    changed: bool


@attrs.frozen(kw_only=True)
class NothingPublished:
    """The scope has no generation yet; nothing was pointed."""


@attrs.frozen(kw_only=True)
class PointCurrent(Request[Pointed | NothingPublished]):
    """Point the scope's link at whatever generation its row names.

    Carries none itself, so anyone may ask at any time, and asking again is safe.
    """

    begins_batch = True

    scope: Scope


@attrs.frozen(kw_only=True)
class ConsolidationTotals:
    """How many scopes there are (the home left out), and how many wait, run or failed."""

    scopes: int
    dirty: int
    running: int
    failing: int
    published: int


@attrs.frozen(kw_only=True)
class GetConsolidationTotals(LongRead[ConsolidationTotals]):
    """How many scopes stand where?"""


@attrs.frozen(kw_only=True)
class ReportGenerationLost(Request[bool]):
    """The scope's published folder is no longer on disk: have it written again. Replies whether it was the row's.

    Asking again is safe; a folder that is not the row's is nobody's loss.
    """

    scope: Scope
    generation_folder: str


@attrs.frozen(kw_only=True)
class ScopeMarked:
    """Whether the scope is dirty now. inputs_mark counts the changes of its memories; it never goes back."""

    is_dirty: bool
    inputs_mark: int


@attrs.frozen(kw_only=True)
class MarkScopeDirty(Request[ScopeMarked]):
    """Say by hand that a scope is dirty, or that it is clean. A scope without a row gets one.

    Marking dirty is one more change of the scope's memories; asking again is safe. Marking clean says that whatever
    changed up to the moment in which the store takes this up needs no consolidation; it holds in that transaction and
    for nothing later, so a memory saved after it leaves the scope dirty, and a consolidation that runs meanwhile does
    not make it dirty again. Asking again to mark clean also covers what was saved since the first time: look before.
    Neither ends a back-off or a cool-down, and neither touches a claim.
    """

    scope: Scope = attrs.field(validator=_check_scope)
    dirty: bool
