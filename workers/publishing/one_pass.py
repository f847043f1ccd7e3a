"""One pass of publishing: take the lock, read which generations are current, compare, write, note what was done.

The generations are read inside the lock, so that a process that waited for it can only repeat the truth. A pass that
finds everything as it should be writes nothing.
"""

import os
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path
from typing import TypeVar

import attrs
import structlog
import trio

from state.folder import StateFolder, holders_of, try_lock
from state.messages.consolidation import GetHomeGeneration, ListPublishedScopes, PublishedScope
from state.store import StateHandle
from workers.publishing.apply import Application
from workers.publishing.codex_phase2 import CodexPhase2
from workers.publishing.errors import PublishError, explained
from workers.publishing.home_files import HomeFiles, belongs_to_another, opened
from workers.publishing.manifest import Kept, Manifest, load, save
from workers.publishing.plan import INDEX, SUMMARY, Action, Step, plan
from workers.publishing.target import Target, choose

log = structlog.get_logger(__name__)

LOCK_WAIT_SECONDS_MAX = 30.0
"""How long to wait for another process that publishes into the same home. A pass takes well below a second."""

LOCK_POLL_SECONDS = 0.05

T = TypeVar("T")


@attrs.frozen(kw_only=True)
class Current:
    """What is published in the state folder: the home-wide files and those of every project with memories."""

    home: PublishedScope
    scopes: tuple[PublishedScope, ...]


@attrs.frozen(kw_only=True)
class Outcome:
    """What a pass did, or would do. Paths are relative to the Codex home.

    Attributes:
      folder: the memory folder of the home that was published to; None for an undo.
      restored: files that were deleted, or rewritten by Codex, and are put back.
      unchanged: how many files were as they should be.
      notes: what a person should know about the home's configuration.
    """

    folder: str | None = None
    written: tuple[str, ...] = ()
    restored: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    unchanged: int = 0
    kept: tuple[Kept, ...] = ()
    notes: tuple[str, ...] = ()


async def current(handle: StateHandle) -> Current | None:
    """Which generations the rows name; None before anything was consolidated."""
    home = await handle.ask(GetHomeGeneration())
    return None if home is None else Current(home=home, scopes=await handle.ask(ListPublishedScopes()))


async def publish(handle: StateHandle, codex_home: Path) -> Outcome:
    """Make the home's memory folder hold the current memories; doing it twice is safe.

    Raises:
      PublishError: why it did not work; `memoryd status` shows it until a pass works.
      StoreError: the store could not answer.
    """
    folder = handle.folder
    async with _alone(folder):
        now = await current(handle)
        if now is None:
            return _nothing_yet(codex_home)
        return await _in_pool(lambda: _publish_or_note(codex_home, folder, now))


async def survey(handle: StateHandle, codex_home: Path) -> Outcome:
    """What `publish` would do now: files that are missing (restored), stale or new (written), edited (kept). Writes
    nothing, neither in the Codex home nor in the list of what is ours.

    Raises:
      PublishError: why nothing could be published.
      StoreError: the store could not answer.
    """
    now = await current(handle)
    if now is None:
        return _nothing_yet(codex_home)
    return await _in_pool(lambda: _survey(codex_home, handle.folder, now))


async def undo(folder: StateFolder, codex_home: Path, *, dry_run: bool = False) -> Outcome:
    """Take everything of ours out of the home again but what was edited. Needs no store.

    Raises:
      PublishError: why it did not work; trying again is safe.
    """
    if dry_run or not folder.publish_dir.is_dir():
        return await _in_pool(lambda: undo_now(codex_home, folder, dry_run=True))
    async with _alone(folder):
        return await _in_pool(lambda: undo_now(codex_home, folder, dry_run=False))


def last_outcome(folder: StateFolder, codex_home: Path) -> Manifest | None:
    """What is ours in the home by the list, without looking there; None when nothing is.

    Raises:
      PublishError: the list cannot be read.
    """
    manifest = load(folder.publish_dir, codex_home)
    return None if manifest.is_empty and not manifest.kept else manifest


def publish_now(codex_home: Path, folder: StateFolder, now: Current) -> Outcome:
    """One pass, for a caller that holds the lock and runs in a pool thread.

    Raises:
      PublishError: why it did not work.
    """
    with _opened(codex_home) as files:
        _discard_leftovers(files, load(folder.publish_dir, codex_home))
        pass_ = _Pass.prepare(files, folder, now)
        work = Application(files, folder.publish_dir, pass_.manifest, pass_.wanted)
        return _outcome(work.apply(pass_.steps, folder=pass_.target.folder), pass_.target)


def _survey(codex_home: Path, folder: StateFolder, now: Current) -> Outcome:
    with _opened(codex_home) as files:
        pass_ = _Pass.prepare(files, folder, now)
        return _outcome(pass_.steps, pass_.target)


def undo_now(codex_home: Path, folder: StateFolder, *, dry_run: bool) -> Outcome:
    """Undo, for a caller that holds the lock and runs in a pool thread.

    Raises:
      PublishError: why it did not work.
    """
    manifest = load(folder.publish_dir, codex_home)
    if manifest.is_empty and not manifest.kept:
        return Outcome()
    with _opened(codex_home) as files:
        if not dry_run:
            _discard_leftovers(files, manifest)
        steps = plan({}, manifest, files.look, lambda _path, _found: False)
        if not dry_run:
            steps = Application(files, folder.publish_dir, manifest, {}).apply(steps, folder=None)
        return _outcome(steps, None)


def _discard_leftovers(files: HomeFiles, manifest: Manifest) -> None:
    """Remove the temporary files of a pass that was killed; before any look, since one may be a file's second name."""
    for name in manifest.temporary:
        files.discard(name)


@attrs.frozen(kw_only=True)
class _Pass:
    target: Target
    manifest: Manifest
    wanted: dict[str, bytes]
    steps: tuple[Step, ...]

    @classmethod
    def prepare(cls, files: HomeFiles, folder: StateFolder, now: Current) -> "_Pass":
        manifest = load(folder.publish_dir, files.path)
        target = choose(files, manifest)
        _refuse_foreign(files, target.folder)
        wanted = {f"{target.folder}/{name}": data for name, data in _read_current(folder, now).items()}
        judge = CodexPhase2(files)
        steps = plan(wanted, manifest, files.look, judge.wrote)
        return cls(target=target, manifest=manifest, wanted=wanted, steps=steps)


def _refuse_foreign(files: HomeFiles, folder: str) -> None:
    path = files.path / folder
    if reason := files.folder_state(folder):
        owner = os.lstat(path).st_uid
        if owner != os.geteuid():
            raise belongs_to_another(path, owner)
        raise PublishError(
            f"cannot publish into {path}: {reason}",
            hint="memoryd writes only into a folder that lies in the Codex home itself",
        )


def _read_current(folder: StateFolder, now: Current) -> dict[str, bytes]:
    """The files that are to be in the memory folder, by their path in it. Without memories there are none."""
    if not now.scopes:
        return {}
    home = folder.memories_dir / now.home.generation_folder
    try:
        wanted = {name: (home / name).read_bytes() for name in (INDEX, SUMMARY)}
        for scope in now.scopes:
            source = folder.memories_dir / scope.generation_folder
            below = f"scopes/{scope.scope_folder}"
            wanted[f"{below}/{INDEX}"] = (source / INDEX).read_bytes()
            for summary in (source / "rollout_summaries").glob("*.md"):
                wanted[f"{below}/rollout_summaries/{summary.name}"] = summary.read_bytes()
    except FileNotFoundError as error:
        raise PublishError(
            f"memories are gone from disk: {error.filename}", hint="the next `memoryd once` writes them again"
        ) from error
    return wanted


def _outcome(steps: tuple[Step, ...], target: Target | None) -> Outcome:
    def of(action: Action) -> tuple[str, ...]:
        return tuple(step.path for step in steps if step.action is action)

    return Outcome(
        folder=target.folder if target else None,
        written=of(Action.WRITE),
        restored=of(Action.RESTORE),
        removed=of(Action.REMOVE),
        unchanged=len(of(Action.NOTHING)),
        kept=tuple(step.kept for step in steps if step.kept is not None),
        notes=target.notes if target else (),
    )


def _nothing_yet(codex_home: Path) -> Outcome:
    return Outcome(notes=(f"nothing of {codex_home} is consolidated yet",))


def _publish_or_note(codex_home: Path, folder: StateFolder, now: Current) -> Outcome:
    """One pass; why it failed is entered where `memoryd status` finds it."""
    try:
        return publish_now(codex_home, folder, now)
    except PublishError as error:
        with suppress(PublishError):
            manifest = load(folder.publish_dir, codex_home)
            if manifest.problem != str(error):
                save(folder.publish_dir, attrs.evolve(manifest, problem=str(error)))
        raise


@contextmanager
def _opened(codex_home: Path) -> Iterator[HomeFiles]:
    with explained("use the Codex home", codex_home), opened(codex_home) as files:
        yield files


async def _in_pool(work: Callable[[], T]) -> T:
    """Not abandoned on cancel: a pass takes milliseconds, and what it began it ends."""
    return await trio.to_thread.run_sync(work)


@asynccontextmanager
async def _alone(folder: StateFolder) -> AsyncIterator[None]:
    """Be the only process that publishes into this home, for the block."""
    path = folder.publish_dir / "codex.lock"
    with explained("use the state folder", folder.path):
        folder.publish_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        give_up_at = trio.current_time() + LOCK_WAIT_SECONDS_MAX
        while not try_lock(descriptor, exclusive=True):
            if trio.current_time() >= give_up_at:
                raise PublishError(
                    f"cannot publish: {path.name} is held by {holders_of(path)}", hint="try again when it is done"
                )
            await trio.sleep(LOCK_POLL_SECONDS)
        yield
    finally:
        os.close(descriptor)
