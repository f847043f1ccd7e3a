"""How many sessions one process may take on. What one start may spend must not depend on how often a worker crashes."""

from config.settings import ExtractionSettings
from state.ids import ProcessUuid


class Allowance:
    """Counts claims down. Used by the tasks of one event loop."""

    def __init__(self, claims_max: int | None) -> None:
        self._left = claims_max

    @property
    def left(self) -> int | None:
        """How many more claims there may be; None for any number."""
        return self._left

    @property
    def is_used_up(self) -> bool:
        """True when there may be no more."""
        return self._left == 0

    def take(self) -> None:
        """Count a claim that was granted."""
        if self._left is not None:
            self._left -= 1

    def give_back(self) -> None:
        """Count one back: nothing came of it, and nothing was spent."""
        if self._left is not None:
            self._left += 1


_of_process: dict[ProcessUuid, Allowance] = {}


def allowance_of(process: ProcessUuid, settings: ExtractionSettings) -> Allowance:
    """The one allowance of a process: a worker that is started again goes on with what is left of it."""
    return _of_process.setdefault(process, Allowance(settings.rollouts_max()))
