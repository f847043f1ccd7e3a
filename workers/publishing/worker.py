"""The publishing worker: publishes soon after the memories changed, and looks now and then at what became of them.

    every two seconds   ask the store which generations are current; once that stands still, publish
    every minute        stat what was written; whatever is not as it was left is looked at closely

Idle, it writes nothing. What fails is logged, shown by `memoryd status`, and tried again with back-off.
"""

import os
from pathlib import Path

import structlog
import trio

from state import codex_config
from state.store import StateHandle
from workers.publishing.errors import PublishError, explained
from workers.publishing.home_files import opened
from workers.publishing.manifest import Manifest, load
from workers.publishing.one_pass import Current, Outcome, current, publish
from workers.publishing.target import V1

log = structlog.get_logger(__name__)

POLL_SECONDS = 2.0
LOOK_SECONDS = 60.0
RETRY_SECONDS_MIN = 30.0
RETRY_SECONDS_MAX = 3_600.0

Signatures = dict[str, tuple[int, ...] | None]


async def serve(handle: StateHandle, codex_home: Path) -> None:
    """Publish for ever."""
    await _Publishing(handle, codex_home).run()


class _Publishing:
    def __init__(self, handle: StateHandle, codex_home: Path) -> None:
        self._handle = handle
        self._codex_home = codex_home
        self._published: Current | None = None
        self._left: Signatures | None = None
        self._look_at = 0.0
        self._retry_at = 0.0
        self._failures = 0
        self._last_problem = ""

    async def run(self) -> None:
        """Publish whenever there is a reason to."""
        before: Current | None = None
        while True:
            now = await current(self._handle)
            # Two equal readings: while projects are consolidated one after the other, one pass at the end is enough.
            stands = now is not None and now == before and trio.current_time() >= self._retry_at
            if stands and (now != self._published or await self._is_disturbed()):
                await self._publish(now)
            before = now
            await trio.sleep(POLL_SECONDS)

    async def _is_disturbed(self) -> bool:
        if trio.current_time() < self._look_at:
            return False
        self._look_at = trio.current_time() + LOOK_SECONDS
        return self._left is None or await self._signatures() != self._left

    async def _publish(self, now: Current | None) -> None:
        try:
            before = await self._signatures()
            outcome = await publish(self._handle, self._codex_home)
            # Only what was the same before and after is known to be what the pass saw. After a pass that wrote, the
            # next look is another pass; it finds nothing to do.
            left = await self._signatures()
            self._left = left if left == before else None
        except PublishError as error:
            wait_seconds = min(RETRY_SECONDS_MIN * 2**self._failures, RETRY_SECONDS_MAX)
            self._failures = min(self._failures + 1, 16)
            self._retry_at = trio.current_time() + wait_seconds
            self._published = None
            log.warning("publishing failed", reason=str(error), hint=error.hint, again_in_seconds=round(wait_seconds))
            return
        self._failures = 0
        self._published = now
        self._look_at = trio.current_time() + LOOK_SECONDS
        self._log(outcome)

    def _log(self, outcome: Outcome) -> None:
        if outcome.written or outcome.restored or outcome.removed:
            log.info(
                "published into the Codex home",
                folder=outcome.folder,
                written=len(outcome.written),
                restored=len(outcome.restored),
                removed=len(outcome.removed),
            )
        problem = "; ".join([*outcome.notes, *(f"{kept.path}: {kept.reason}" for kept in outcome.kept)])
        if problem and problem != self._last_problem:
            log.warning("not everything is published", reason=problem)
        self._last_problem = problem

    async def _signatures(self) -> Signatures | None:
        try:
            return await trio.to_thread.run_sync(_signatures, self._handle.folder.publish_dir, self._codex_home)
        except PublishError:
            return None  # the pass says what is wrong


def _signatures(publish_dir: Path, codex_home: Path) -> Signatures:
    """What shows that somebody touched what was published, or that the home's configuration changed: stats alone."""
    manifest: Manifest = load(publish_dir, codex_home)
    paths = {*manifest.files, *(kept.path for kept in manifest.kept)}
    with explained("use the Codex home", codex_home), opened(codex_home) as files:
        signatures: Signatures = {path: files.signature(path) for path in paths}
        signatures[codex_config.NAME] = _config_signature(codex_home / codex_config.NAME)
        signatures[V1] = (int(files.exists(V1)),)
    return signatures


def _config_signature(config: Path) -> tuple[int, ...] | None:
    """Of what the configuration says; people who keep it elsewhere have a link here, which Codex follows."""
    try:
        status = os.stat(config)
    except OSError:
        return None
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns
