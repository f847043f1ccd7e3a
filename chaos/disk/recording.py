"""What happened to the files of a database, in order: enough to say what a power cut leaves at any moment."""

import attrs


@attrs.frozen
class Created:
    """A file came to be. Its name is lost with the power until its folder is synced."""

    name: str


@attrs.frozen
class Wrote:
    """Bytes were written; they are on the disk for certain after the next sync of the file."""

    name: str
    offset: int
    data: bytes


@attrs.frozen
class Truncated:
    """A file was cut, or made longer."""

    name: str
    size_bytes: int


@attrs.frozen
class Synced:
    """A file is on the disk as it is. `folder`: so are all names of its folder."""

    name: str
    folder: bool


@attrs.frozen
class SyncFailed:
    """A sync failed. What it should have kept may never reach the disk, whatever later syncs say: the system has
    reported the loss, and forgets it."""

    name: str


@attrs.frozen
class Deleted:
    """A file's name was removed. `folder`: and the folder was synced."""

    name: str
    folder: bool


@attrs.frozen
class Marked:
    """Whoever records says where he is, for instance that a batch was answered."""

    mark: int


Event = Created | Wrote | Truncated | Synced | SyncFailed | Deleted | Marked


class Recorder:
    """Hears every change that a disk makes."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self._new_companions: set[str] = set()

    def take(self, event: Event) -> None:
        """Take one change in."""
        self.events.append(event)

    def created(self, name: str) -> None:
        """A file came to be."""
        self.take(Created(name))
        if name.endswith(("-wal", "-journal")):
            self._new_companions.add(name)

    def synced(self, name: str) -> None:
        """A file was synced. SQLite syncs the folder with the first sync of a new log or journal."""
        self.take(Synced(name, name in self._new_companions))
        self._new_companions.discard(name)

    def mark(self, mark: int) -> None:
        """Say where the one who records is."""
        self.take(Marked(mark))
