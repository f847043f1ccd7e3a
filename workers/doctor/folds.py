"""The rows against what their files say: files are folded from their start, and every column is compared.

By default the newest files are, within a bound; `--deep` takes all. Which of the two was done is said.
"""

from collections.abc import Sequence
from pathlib import Path

import trio

from config import Settings
from state.codex_config import provider_default, read_codex_config
from state.messages.backfill import RolloutRead
from state.messages.drift import CompareReadings, ReadingDrift
from state.rollouts import FoundRollout, read_rollout
from state.store import StateHandle
from workers.chunks import chunks
from workers.doctor.files import Survey
from workers.doctor.finding import Area, Findings, Severity, shown
from workers.progress import Progress
from workers.redaction import redact

SAMPLE_FILES_MAX = 100
SAMPLE_BYTES_MAX = 64 << 20
"""About a second of folding."""

CHUNK_FILES_MAX = 32
CHUNK_BYTES_MAX = 16 << 20
"""Folded in one go by a pool thread and compared in one message; a larger file is a chunk by itself."""


async def check_folds(
    findings: Findings,
    handle: StateHandle,
    codex_home: Path,
    settings: Settings,
    survey: Survey,
    progress: Progress,
    *,
    deep: bool,
) -> int:
    """Compare rows with their files; answer how many files were folded."""
    files = [file for file in survey.found if file.path in survey.current]
    chosen = files if deep else _sample(files)
    folded = 0
    for chunk in chunks(chosen, files_max=CHUNK_FILES_MAX, bytes_max=CHUNK_BYTES_MAX):
        progress.report("folding", folded, len(chosen))
        for drift in await compare(handle, codex_home, settings, chunk):
            report_drift(findings, drift)
        folded += len(chunk)
    progress.report("folding", folded, len(chosen))
    if folded:
        how = "all" if folded == len(files) else f"the newest {folded} of {len(files)}"
        more = "" if folded == len(files) else "; --deep folds all"
        findings.add(Area.FILES, "folded", Severity.OK, f"{how} indexed files were folded and compared{more}")
    return folded


async def compare(
    handle: StateHandle, codex_home: Path, settings: Settings, files: Sequence[FoundRollout]
) -> tuple[ReadingDrift, ...]:
    """Fold these files from their start and compare; files that changed meanwhile are left out.

    Raises:
      StoreError: the store could not answer.
    """
    readings = await trio.to_thread.run_sync(_fold, codex_home, files, abandon_on_cancel=True)
    config = await trio.to_thread.run_sync(read_codex_config, codex_home)
    provider = provider_default(config, settings.codex.model_provider_default)
    return await handle.ask(CompareReadings(readings=tuple(readings), model_provider_default=provider))


def report_drift(findings: Findings, drift: ReadingDrift) -> None:
    """Name a file whose rows say something else, and every column in which they do."""
    columns = "; ".join(
        f"{name} is {shown(stored)}, the file says {shown(said)}" for name, stored, said in drift.columns
    )
    findings.add(
        Area.FILES,
        "row_differs",
        Severity.WARNING,
        f"the row of {drift.path} is not what the file says: {columns}",
        subject=drift.path,
        repair="--repair reads the file from its start",
        can_repair=True,
    )


def _sample(files: Sequence[FoundRollout]) -> list[FoundRollout]:
    chosen: list[FoundRollout] = []
    size_bytes = 0
    for file in files[:SAMPLE_FILES_MAX]:
        size_bytes += file.size_bytes
        if chosen and size_bytes > SAMPLE_BYTES_MAX:
            break
        chosen.append(file)
    return chosen


def _fold(codex_home: Path, files: Sequence[FoundRollout]) -> list[RolloutRead]:
    readings = []
    for file in files:
        try:
            reading = read_rollout(codex_home, file, None, redact=redact)
        except OSError:
            continue  # gone or locked away since it was listed; the next look says so
        if (reading.size_bytes, reading.mtime_ns) == (file.size_bytes, file.mtime_ns):
            readings.append(RolloutRead(found=file, reading=reading))
    return readings
