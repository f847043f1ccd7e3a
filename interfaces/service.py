"""What the doors know of the service behind them. The entry point hands an implementation in, so that the doors depend
on nothing but the store's vocabulary."""

from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

import attrs

from config import Paths, Settings
from state.live import Tell
from state.log_queue import LogQueue
from state.messages.extraction import NO_TOKENS, TokenUsage


@attrs.frozen(kw_only=True)
class BackfillReport:
    """files = indexed + unchanged + skipped + failed."""

    files: int = 0
    indexed: int = 0
    unchanged: int = 0
    skipped: int = 0
    failed: int = 0
    bytes: int = 0
    seconds: float = 0.0


@attrs.frozen(kw_only=True)
class ExtractionReport:
    """By number of sessions. unchanged: have a memory, or nothing to remember, and were not worked on.

    Attributes:
      tokens: what it cost.
      stopped_because, stopped_hint: why the model was not available, if it was not; the rest was then left for later.
    """

    claimed: int = 0
    succeeded: int = 0
    empty: int = 0
    unchanged: int = 0
    retrying: int = 0
    failed: int = 0
    tokens: TokenUsage = NO_TOKENS
    stopped_because: str | None = None
    stopped_hint: str = ""


@attrs.frozen(kw_only=True)
class ConsolidationReport:
    """By number of projects. scopes = published + unchanged + failed, unless another process works on some."""

    scopes: int = 0
    published: int = 0
    unchanged: int = 0
    failed: int = 0


@attrs.frozen(kw_only=True)
class WaitingReport:
    """How many sessions and projects failed and are tried again later, and when the first of them is; None: none."""

    extractions: int = 0
    consolidations: int = 0
    next_attempt_at_ms: int | None = None


@attrs.frozen(kw_only=True)
class PublishingReport:
    """By number of files in the Codex home. problem: why nothing could be published; None when it worked."""

    written: int = 0
    restored: int = 0
    removed: int = 0
    unchanged: int = 0
    kept: int = 0
    problem: str | None = None


@attrs.frozen(kw_only=True)
class KeptFile:
    """A file in the Codex home that was left as it is. The path is relative to the home."""

    path: str
    reason: str
    hint: str


@attrs.frozen(kw_only=True)
class PublishReport:
    """What `memoryd publish` did, or would do. Paths are relative to the Codex home.

    Attributes:
      folder: the memory folder that was published to; None for an undo, and when there is nothing to publish.
      restored: files that were gone, or that Codex rewrote.
      unchanged: how many files were as they should be.
      notes: what a person should know about the home.
    """

    codex_home: Path
    folder: str | None
    dry_run: bool
    undone: bool
    written: tuple[str, ...]
    restored: tuple[str, ...]
    removed: tuple[str, ...]
    unchanged: int
    kept: tuple[KeptFile, ...]
    notes: tuple[str, ...]


@attrs.frozen(kw_only=True)
class PublishedState:
    """What memoryd has in the Codex home, by its own list. problem: why the last attempt failed."""

    folder: str | None = None
    files: int = 0
    published_at_ms: int | None = None
    kept: tuple[KeptFile, ...] = ()
    problem: str | None = None


@attrs.frozen(kw_only=True)
class OnceReport:
    """What `memoryd once` did; its JSON form is part of the interface. publishing: None where it is not switched on."""

    backfill: BackfillReport
    extraction: ExtractionReport
    consolidation: ConsolidationReport
    waiting: WaitingReport
    publishing: PublishingReport | None
    memories_dir: Path


@attrs.frozen(kw_only=True)
class FindingReport:
    """One thing that the doctor found.

    Attributes:
      area: what it is about, e.g. "files and index".
      code: stable; all findings of one kind share it.
      severity: "ok", "note", "warning" or "error"; the last two are wrong.
      subject: the file, thread, process or setting that it is about; '' for the whole.
      found: one plain sentence.
      repair: what --repair does or the person has to do; '' when nothing.
      can_repair: --repair does it.
    """

    area: str
    code: str
    severity: str
    subject: str
    found: str
    repair: str
    can_repair: bool


@attrs.frozen(kw_only=True)
class DoctorReport:
    """What `memoryd doctor` found, and did; its JSON form is part of the interface.

    Attributes:
      ok: nothing is wrong.
      counts: findings by code, those that were left out for their number included.
      rollouts, indexed, folded, codex_threads: how much was looked at.
      actions: what --repair did, one sentence each.
      repaired: how many findings are gone since.
    """

    ok: bool
    repaired: int
    actions: tuple[str, ...]
    rollouts: int
    indexed: int
    folded: int
    codex_threads: int
    counts: Mapping[str, int]
    findings: tuple[FindingReport, ...]


class ProgressView(Protocol):
    """Shows progress to a person."""

    def report(self, phase: str, done: int, total: int | None) -> None:
        """Say that `done` of `total` (None: unknown) of `phase` are done."""
        ...


class Service(Protocol):
    """What the command line asks of the rest of memoryd.

    Attributes:
      log_queue: what is put here is stored by `once` and `run`.
    """

    log_queue: LogQueue

    async def once(
        self, paths: Paths, settings: Settings, progress: ProgressView, phases: frozenset[str]
    ) -> OnceReport:
        """Backfill, extract, consolidate, publish; return."""
        ...

    async def doctor(
        self,
        paths: Paths,
        settings: Settings,
        progress: ProgressView,
        config_trouble: str | None,
        deep: bool,
        repair: bool,
    ) -> DoctorReport:
        """Compare files, index and Codex's database, look at the environment; repair what can be, if told."""
        ...

    async def run(self, paths: Paths, settings: Settings) -> int:
        """Serve until stopped; answer the exit code."""
        ...

    async def serve(self, paths: Paths, settings: Settings, socket: Path | None) -> int:
        """Answer JSON-RPC at a socket, or without one at stdin and stdout; answer the exit code."""
        ...

    async def turn(
        self, paths: Paths, settings: Settings, prompt: str, model: str | None, cwd: str, tell: Tell
    ) -> None:
        """Run one turn in a thread of its own, and tell what happens in it; what `tell` raises ends it."""
        ...

    async def publish(self, paths: Paths, *, dry_run: bool, undo: bool) -> PublishReport:
        """Write the memories into the Codex home, say what that would do, or take them out again."""
        ...

    def published(self, paths: Paths) -> PublishedState | None:
        """What memoryd has in the Codex home, by its own list; None when it has nothing there."""
        ...

    def redact(self, text: str) -> str:
        """The text without secrets, for logs."""
        ...
