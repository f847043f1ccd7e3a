"""What the doors know of the service behind them. The entry point hands an implementation in, so that the doors depend
on nothing but the store's vocabulary."""

from pathlib import Path
from typing import Protocol

import attrs

from config import Paths, Settings
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
class OnceReport:
    """What `memoryd once` did; its JSON form is part of the interface."""

    backfill: BackfillReport
    extraction: ExtractionReport
    consolidation: ConsolidationReport
    memories_dir: Path


class ProgressView(Protocol):
    """Shows progress to a person."""

    def report(self, phase: str, done: int, total: int | None) -> None:
        """Say that `done` of `total` (None: unknown) of `phase` are done."""
        ...


class Service(Protocol):
    """What the command line asks of the rest of memoryd."""

    async def once(
        self, paths: Paths, settings: Settings, progress: ProgressView, phases: frozenset[str]
    ) -> OnceReport:
        """Backfill, extract, consolidate, publish; return."""
        ...

    async def run(self, paths: Paths, settings: Settings) -> int:
        """Serve until stopped; answer the exit code."""
        ...

    def redact(self, text: str) -> str:
        """The text without secrets, for logs."""
        ...
