"""Hearing of changed files from the operating system, for as long as it reports them.

Two watches, each in a pool thread: the folders of the rollouts with all that is below them, and the Codex home alone,
for the file of names and for folders that come and go. A path is turned into a place below the home in that thread,
so that the databases of the home, which change all the time, cost the event loop nothing.

What is watched is told by identity, and by what is heard of it. Whenever it is no longer the same, because a folder
appeared, vanished or was replaced, the watches are begun anew, and then everything is looked at: nobody heard what
changed in between. A watch that cannot be had is a warning and not a crash: the rescan goes on, and it is tried again.
"""

import logging
import os
import threading
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

import attrs
import structlog
import trio

from state.errors import first_cause
from state.folder import NETWORK_FILE_SYSTEMS, file_system_of
from state.rollouts.find import ARCHIVED_SESSIONS, SESSIONS
from workers.backfill.changes import Changes
from workers.backfill.places import Heard, Root, folders_below, places_of

log = structlog.get_logger(__name__)

STEP_MS = 20
"""How long the library waits for more before it reports: an append is heard after about two steps."""

DEBOUNCE_MS = 100
"""It reports after this time even if changes go on and on."""

BEAT_MS = 200
"""It comes back this often when nothing changes; the first time proves that the watch is in place."""

LAYOUT_SECONDS = 1.0
"""How often the identity of what is watched is looked at. A folder that appears is watched within this time."""

AGAIN_SECONDS = 0.1
"""Until what has another layout is watched anew; folders that come and go all the time cost little."""

RETRY_SECONDS_MIN = 1.0
RETRY_SECONDS_MAX = 60.0
"""A watch that fails is begun again after the one; the wait doubles up to the other while it goes on failing."""


@attrs.frozen(kw_only=True)
class Trouble:
    """Why changes are not heard, and what a person can do about it."""

    reason: str
    hint: str

    @classmethod
    def of(cls, error: BaseException) -> "Trouble":
        """Read the library's error; it says what the system said, as text."""
        text = f"{error}"
        if "watch limit reached" in text or "os error 28" in text:
            return cls(
                reason="the system's limit of watched folders is reached",
                hint="raise it: sysctl fs.inotify.max_user_watches=524288",
            )
        if "os error 24" in text:
            return cls(
                reason="the system's limit of watches is reached, or this process has too many open files",
                hint="raise it: sysctl fs.inotify.max_user_instances=512; or ulimit -n",
            )
        return cls(reason=text or type(error).__name__, hint="`backfill.watch = false` does without watching")


def _half_deaf(roots: Sequence[Root]) -> Trouble | None:
    """The trouble with file systems that report only what this machine changes."""
    for root in roots:
        kind = file_system_of(Path(root.folder))
        if kind in NETWORK_FILE_SYSTEMS:
            return Trouble(
                reason=f"{root.folder} is on a {kind} file system, which may not report what others change",
                hint="`backfill.rescan_seconds` says how often everything is looked at",
            )
    return None


Tell = Callable[[Trouble | None], Awaitable[None]]
"""Told when watching stops to work, and with None when it works again."""


def roots_of(codex_home: Path) -> tuple[Root, ...]:
    """What there is to watch now, the home first; nothing when there is no home. Each may be a link to elsewhere."""
    roots: list[Root] = []
    for place in ("", SESSIONS, ARCHIVED_SESSIONS):
        folder = os.path.realpath(codex_home / place)
        try:
            status = os.stat(folder)
        except OSError:
            continue
        if os.path.isdir(folder):
            roots.append(Root(place=place, folder=folder, identity=(status.st_dev, status.st_ino)))
    # Without the home nothing is: it came between two looks, and is seen by the next one.
    return tuple(roots) if roots and not roots[0].place else ()


Report = Callable[[Heard], None]


def hear(roots: Sequence[Root], stop: threading.Event, report: Report) -> None:
    """Report what changes in the home, or in the folders of the rollouts, until `stop` is set or the watch is to be
    begun anew. Blocks its thread.

    It reports the empty set now and then; the first report of any kind says that from then on nothing is missed.

    Raises:
      Exception: the folders cannot be watched, or no longer.
    """
    if not roots[0].place:
        _hear([roots[0].folder], stop, report, recursive=False)
        return
    tops = [root.folder for root in roots]
    folders, is_plain = folders_below(tops)
    if is_plain:
        _hear(tops, stop, report, recursive=True)
        return
    # The library would follow a link, to anywhere, and give up at a folder that may not be read; so each folder is
    # watched by itself, until there is another one.
    _hear(folders, stop, report, recursive=False, ends_with_new_folder=True)


def _hear(
    folders: list[str], stop: threading.Event, report: Report, *, recursive: bool, ends_with_new_folder: bool = False
) -> None:
    # Imported here, in a pool thread: being ready does not wait for it.
    from watchfiles import watch

    known = frozenset(folders)
    # At level info it would say each time how many changes there were.
    logging.getLogger("watchfiles").setLevel(logging.WARNING)
    for changes in watch(
        *folders,
        watch_filter=None,
        debounce=DEBOUNCE_MS,
        step=STEP_MS,
        stop_event=stop,
        rust_timeout=BEAT_MS,
        yield_on_timeout=True,
        debug=False,
        raise_interrupt=False,
        force_polling=False,  # it would look at the whole tree three times a second; the rescan is cheaper
        recursive=recursive,
        ignore_permission_denied=False,  # it would ignore the limits of the system as well
    ):
        report({(change.name, path) for change, path in changes})
        if ends_with_new_folder and any(
            (change.name == "added" or path not in known) and os.path.isdir(path) for change, path in changes
        ):
            return  # it is new, or made again, or may be read by now


Hear = Callable[[Sequence[Root], threading.Event, Report], None]


class Watcher:
    """Keeps the watches, and notes in `changes` what they report.

    Attributes:
      is_hearing: every watch is in place, and the file systems report whatever changes.
    """

    def __init__(self, codex_home: Path, changes: Changes, tell: Tell, hear: Hear = hear) -> None:
        self._hear = hear
        self._codex_home = codex_home
        self._changes = changes
        self._tell = tell
        self._moved = trio.Event()
        self._is_stale = False
        self._silent: set[str] = set()
        self._trouble: Trouble | None = None
        self._limiter = trio.CapacityLimiter(2)  # the threads that hear are not taken from those that read
        self.is_hearing = False

    async def run(self) -> None:
        """Watch for ever."""
        wait_seconds = RETRY_SECONDS_MIN
        while True:
            roots = await trio.to_thread.run_sync(roots_of, self._codex_home, abandon_on_cancel=True)
            began = trio.current_time()
            error = await self._watch(roots) if roots else None
            if trio.current_time() - began > RETRY_SECONDS_MAX:
                wait_seconds = RETRY_SECONDS_MIN
            if error is None or isinstance(error, FileNotFoundError):
                # Something came or went, or there is nothing yet.
                await trio.sleep(AGAIN_SECONDS if roots and error is None else LAYOUT_SECONDS)
                continue
            await self._note(Trouble.of(error))
            await trio.sleep(wait_seconds)
            wait_seconds = min(wait_seconds * 2, RETRY_SECONDS_MAX)

    async def _watch(self, roots: tuple[Root, ...]) -> Exception | None:
        """Watch until the layout is another one (None) or until it fails."""
        stop = threading.Event()
        self._moved = trio.Event()
        self._is_stale = False
        home = [root for root in roots if not root.place]
        tops = [root for root in roots if root.place]
        self._silent = {group[0].folder for group in (home, tops) if group}
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(_set_at_the_end, stop)
                nursery.start_soon(self._until_moved, roots, nursery.cancel_scope)
                nursery.start_soon(self._listen, home, stop, nursery.cancel_scope)
                if tops:
                    nursery.start_soon(self._listen, tops, stop, nursery.cancel_scope)
        except Exception as error:
            cause = first_cause(error)
            return cause if isinstance(cause, Exception) else error
        finally:
            self.is_hearing = False
            self._changes.add(None)
        return None

    async def _until_moved(self, roots: tuple[Root, ...], watches: trio.CancelScope) -> None:
        is_begun = False
        while not self._is_stale and roots == await trio.to_thread.run_sync(
            roots_of, self._codex_home, abandon_on_cancel=True
        ):
            if not is_begun and not self._silent:
                is_begun = True
                await self._begin_to_hear(roots)
            with trio.move_on_after(LAYOUT_SECONDS):
                await self._moved.wait()
            self._moved = trio.Event()
        watches.cancel()

    async def _begin_to_hear(self, roots: tuple[Root, ...]) -> None:
        trouble = await trio.to_thread.run_sync(_half_deaf, roots, abandon_on_cancel=True)
        self.is_hearing = trouble is None
        self._changes.add(None)
        log.info("watching", folders=[root.folder for root in roots])
        await self._note(trouble)

    async def _listen(self, roots: list[Root], stop: threading.Event, watches: trio.CancelScope) -> None:
        # A folder that goes takes its watch along, and one that comes in its place may look the same: file systems give
        # a number that has become free to the next one that asks.
        watched = {root.folder for root in roots}
        watched |= {f"{root.folder}/{top}" for root in roots if not root.place for top in (SESSIONS, ARCHIVED_SESSIONS)}

        def report(heard: Heard) -> None:
            is_stale = any(happened != "modified" and path in watched for happened, path in heard)
            trio.from_thread.run_sync(self._take, roots[0].folder, places_of(heard, roots), is_stale)

        # Not abandoned when it is cancelled: `stop` ends it within a step, and a thread that is left in foreign code
        # while the interpreter ends may take the process down with it.
        await trio.to_thread.run_sync(self._hear, roots, stop, report, limiter=self._limiter)
        watches.cancel()

    def _take(self, folder: str, places: set[str], is_stale: bool) -> None:
        if is_stale:
            self._is_stale = True
            self._moved.set()
        if folder in self._silent:
            self._silent.discard(folder)
            if not self._silent:
                self._moved.set()
        if places:
            if not places.isdisjoint(("", SESSIONS, ARCHIVED_SESSIONS)):
                self._moved.set()
            self._changes.add(places - {""})

    async def _note(self, trouble: Trouble | None) -> None:
        """Say once what is wrong, and once that it no longer is."""
        if trouble == self._trouble:
            return
        self._trouble = trouble
        if trouble is None:
            log.info("changes are heard again")
        else:
            log.warning("not every change is heard: looking at everything now and then", **attrs.asdict(trouble))
        await self._tell(trouble)


async def _set_at_the_end(stop: threading.Event) -> None:
    try:
        await trio.sleep_forever()
    finally:
        stop.set()
