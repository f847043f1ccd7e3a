"""Reading some files one after the other. Runs in a pool thread, or in a process that does nothing else.

It imports the fold and the redaction, and neither the event loop nor the store, so that such a process starts fast.
"""

import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from state.rollouts.model import Checkpoint, FoundRollout, RolloutReading
from state.rollouts.read import read_rollout
from state.rollouts.regular import GONE, plain_reason
from state.rollouts.representation import LOOK_AGAIN_SECONDS, LOOKS_MAX
from workers.redaction import redact

READ_BYTES_MAX = 4 * 1024 * 1024
"""So much text is read in one go: large enough that hand-overs do not show, small enough that progress does and that a
stop does not wait. A larger file is read alone."""

Result = RolloutReading | str
"""What a file says, or why it could not be read."""


def read_files(
    codex_home: Path, files: Sequence[FoundRollout], checkpoints: Mapping[str, Checkpoint]
) -> Sequence[Result]:
    """Read files one after the other; whatever goes wrong with one is that one's result.

    Stops behind the file with which the texts become as large as READ_BYTES_MAX, since compressed files tell only then
    how much they hold; so it answers for the first files, and at least for one.

    A file that is gone may just be changing its form. All that are gone are looked for again together, so that a home
    that is being deleted does not make each of its files wait.
    """
    read: list[Result | None] = []
    size_bytes = 0
    for file in files:
        result = _read_file(codex_home, file, checkpoints.get(file.path))
        read.append(result)
        size_bytes += result.bytes_read if isinstance(result, RolloutReading) else 0
        if size_bytes >= READ_BYTES_MAX:
            break
    for _ in range(LOOKS_MAX - 1):
        gone = [index for index, result in enumerate(read) if result is None]
        if not gone:
            break
        time.sleep(LOOK_AGAIN_SECONDS)
        for index in gone:
            read[index] = _read_file(codex_home, files[index], checkpoints.get(files[index].path))
    return [GONE if result is None else result for result in read]


def _read_file(codex_home: Path, file: FoundRollout, checkpoint: Checkpoint | None) -> Result | None:
    """Read one file; None when it is gone."""
    try:
        return read_rollout(codex_home, file, checkpoint, redact=redact)
    except FileNotFoundError:
        return None
    except OSError as error:
        return plain_reason(error)
    except Exception as error:
        # A defect of ours: it costs this file, is seen in its row, and the next version reads it again.
        return redact(f"internal error: {type(error).__name__}: {error}")
