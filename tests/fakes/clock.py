"""The machine's clocks, moved by hand."""

import attrs

from state.ids import Instant


@attrs.define
class ManualClock:
    """Answers the same instant until the test moves it."""

    wall_ms: int = 1_790_000_000_000
    boot_ms: int = 1_000_000
    boot_id: str = "boot-1"

    def __call__(self) -> Instant:
        return Instant(wall_ms=self.wall_ms, boot_ms=self.boot_ms, boot_id=self.boot_id)

    def advance(self, ms: int) -> None:
        """Let time pass on both clocks."""
        self.wall_ms += ms
        self.boot_ms += ms

    def reboot(self) -> None:
        """Start the boot clock anew, as a restart of the machine does; the wall clock goes on."""
        self.boot_id = f"{self.boot_id}+"
        self.boot_ms = 10_000
