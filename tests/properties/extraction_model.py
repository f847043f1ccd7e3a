"""What a few lines of plain Python say an extraction job is; `extraction_machine` compares the rows with it."""

import attrs

from state.ids import Scope
from state.messages.extraction import ATTEMPTS_MAX
from tests.fakes.clock import ManualClock

TEAM = Scope(kind="team", key="shop")
"""A scope that only a claim by name makes a job in."""


@attrs.define
class Thread:
    """A thread that grows and moves."""

    number: int
    folder: str
    revision: int = 1


@attrs.define
class Job:
    """One job as the model sees it. `spent` counts attempts that were not given back.

    Attributes:
      kind: "cwd" for the thread's own job, which moves with it, or that of TEAM.
      exists: whether there is a row.
    """

    thread: Thread
    kind: str = "cwd"
    exists: bool = True
    status: str = "pending"
    spent: int = 0
    given_back: int = 0
    due_at_ms: int = 0
    token: str | None = None
    process: str = ""
    until_boot_ms: int = 0
    claimed_revision: int = 0
    done_revision: int = 0
    memory: str | None = None
    memory_at_ms: int = 0

    @property
    def scope(self) -> Scope:
        """Where it is now."""
        return Scope(kind="cwd", key=self.thread.folder) if self.kind == "cwd" else TEAM

    @property
    def tries(self) -> int:
        """Claims of the content as it is now that came to nothing, or are in work."""
        return self.spent if self.claimed_revision == self.thread.revision else 0

    @property
    def is_used_up(self) -> bool:
        """True when this content has had all its attempts."""
        return self.tries >= ATTEMPTS_MAX

    def is_held(self, now: ManualClock) -> bool:
        """True while its owner's lease lasts."""
        return self.status == "running" and self.until_boot_ms > now.boot_ms

    def grant(self, token: str, process: str, until_boot_ms: int) -> None:
        """Belong to this claim, bound to the content as it is now."""
        self.exists, self.status, self.token, self.process = True, "running", token, process
        self.spent = self.tries + 1
        if self.claimed_revision != self.thread.revision:
            self.given_back = 0
        self.claimed_revision, self.due_at_ms = self.thread.revision, 0
        self.until_boot_ms = until_boot_ms

    def remember(self, text: str, wall_ms: int) -> None:
        """Have this memory, stamped later than any before."""
        self.memory = text
        self.memory_at_ms = max(wall_ms, self.memory_at_ms + 1)

    def reopen(self) -> None:
        """Wait with all attempts left."""
        self.status, self.spent, self.given_back, self.due_at_ms, self.token = "pending", 0, 0, 0, None
        self.claimed_revision = 0

    def give_back(self) -> None:
        """Wait, with nothing held against it."""
        self.spent -= 1
        self.given_back += 1

    def end(self, status: str) -> None:
        """Belong to nobody."""
        self.status, self.token = status, None
