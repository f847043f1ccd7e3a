"""One step of the rows: two moments, who came between them, and what really was the case. What every law looks at."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import attrs

from chaos.parts import parts_of
from chaos.rows import Job, Lease, RowKey, Rows
from config.settings import BACKFILL_LEASE_MS, CONSOLIDATION_LEASE_MS, EXTRACTION_LEASE_MS

LEASE_MS = {
    "backfill": BACKFILL_LEASE_MS,
    "extraction": EXTRACTION_LEASE_MS,
    "consolidation": CONSOLIDATION_LEASE_MS,
}


@attrs.frozen(kw_only=True)
class Granted:
    """What the simulation itself knows of a lease: when it really ends."""

    token: str
    boot_id: str
    until_boot_ms: int


@attrs.define
class Ledger:
    """What the laws remember.

    Attributes:
      granted: of each row that is owned, when its lease really ends.
      gone: every token that a row once had and lost.
      fencing_floor, generation_floor: the greatest number that somebody was told, by row.
      named: every folder that a scope's row ever named, in order.
      linked: how far in `named` each scope's link has come.
      linked_at: for which scopes, and after how many changes of names, all links were last found right.
    """

    granted: dict[RowKey, Granted] = attrs.field(factory=dict)
    gone: set[str] = attrs.field(factory=set)
    fencing_floor: dict[RowKey, int] = attrs.field(factory=dict)
    generation_floor: dict[str, int] = attrs.field(factory=dict)
    named: dict[str, list[str]] = attrs.field(factory=dict)
    linked: dict[str, int] = attrs.field(factory=dict)
    linked_at: tuple[object, int] | None = None

    def take_in(self, step: "Step") -> None:
        """Remember a step that was lawful."""
        for key, before, now in step.lease_changes():
            if before is not None and before.token is not None and before.token != now.token:
                self.gone.add(before.token)
            if now.token is None:
                self.granted.pop(key, None)
            elif before is None or (before.token, before.renewed_boot_ms) != (now.token, now.renewed_boot_ms):
                lease_ms = step.lease_ms_of(now.token) or LEASE_MS[key[0]]
                self.granted[key] = Granted(
                    token=now.token, boot_id=step.boot_id, until_boot_ms=step.boot_ms + lease_ms
                )
        for scope, state in step.after.scopes.items():
            folders = self.named.setdefault(scope, [])
            if state.generation_folder is not None and state.generation_folder not in folders[-1:]:
                folders.append(state.generation_folder)


@attrs.frozen(kw_only=True)
class Step:
    """Two moments, and what really was the case in between.

    Attributes:
      actor: the process that committed; '' when it died over it.
      living: the processes that live. A frozen one lives.
      boot_ms, boot_id, wall_ms: of the machine, whatever a service believes.
      asked: what the actor's batch changed rows for, with what each request was answered.
      name_changes: how many names on the disk were given, taken and moved until now; None: not counted.
    """

    before: Rows
    after: Rows
    actor: str
    living: frozenset[str]
    boot_ms: int
    boot_id: str
    memories_dir: Path
    ledger: Ledger
    name_changes: int | None = None
    wall_ms: int = 0
    asked: tuple[tuple[Any, Any], ...] = ()

    def lease_ms_of(self, token: str) -> int | None:
        """For how long a request of this step asked for the lease of this token; None when none did."""
        for request in self._parts():
            terms = getattr(request, "terms", request)
            if getattr(terms, "token", None) == token:
                lease_ms: int | None = getattr(terms, "lease_ms", None)
                return lease_ms
        return None

    def may_take_over(self, token: str | None) -> bool:
        """Say whether a request of this step was to get this token whatever the leases of rows say."""
        terms = (getattr(request, "terms", None) for request in self._parts())
        return any(one is not None and one.token == token and one.stale_after_ms is not None for one in terms)

    def _parts(self) -> Iterator[Any]:
        for request, _ in self.asked:
            yield from parts_of(request)

    def lease_changes(self) -> Iterator[tuple[RowKey, Lease | None, Lease]]:
        """The rows whose lease columns differ."""
        if self.before.leases is self.after.leases:
            return
        for key, now in self.after.leases.items():
            before = self.before.leases.get(key)
            if before != now:
                yield key, before, now

    def job_changes(self) -> Iterator[tuple[str, Job | None, Job]]:
        """The jobs that differ."""
        if self.before.jobs is self.after.jobs:
            return
        for key, now in self.after.jobs.items():
            before = self.before.jobs.get(key)
            if before != now:
                yield key, before, now

    def is_over(self, key: RowKey) -> bool:
        """Say whether the lease that was granted last has really ended."""
        granted = self.ledger.granted.get(key)
        return granted is None or granted.boot_id != self.boot_id or granted.until_boot_ms <= self.boot_ms
