"""Memories that were handed to Codex: what is in its home is what should be there, and what is left to the person.

Nothing is written into the Codex home to find out, and `--repair` does not either: that is for `memoryd publish codex`.
"""

from pathlib import Path

from config import Settings
from state.store import StateHandle
from workers import publishing
from workers.doctor.finding import Area, Findings, Severity

PUT_RIGHT = "`memoryd publish codex` writes it; so does the service, where publish.codex is true"


async def check_handed_over(findings: Findings, handle: StateHandle, codex_home: Path, settings: Settings) -> None:
    """Look at the files of ours in the Codex home, if there are to be any.

    Raises:
      StoreError: the store could not answer.
    """
    try:
        if not settings.publish.codex and publishing.last_outcome(handle.folder, codex_home) is None:
            return
        outcome = await publishing.survey(handle, codex_home)
    except publishing.PublishError as error:
        findings.add(
            Area.MEMORIES, "handing_over", Severity.WARNING, str(error), subject=str(codex_home), repair=error.hint
        )
        return
    for path in outcome.restored:
        findings.add(
            Area.MEMORIES,
            "handed_over_gone",
            Severity.WARNING,
            f"{path} was deleted or rewritten by Codex",
            subject=path,
            repair=PUT_RIGHT,
        )
    for paths, what in ((outcome.written, "is not yet in the Codex home"), (outcome.removed, "is no longer wanted")):
        for path in paths:
            findings.add(
                Area.MEMORIES,
                "handed_over_stale",
                Severity.NOTE,
                f"{path} {what}",
                subject=path,
                repair=PUT_RIGHT,
            )
    for kept in outcome.kept:
        findings.add(
            Area.MEMORIES,
            "handed_over_kept",
            Severity.NOTE,
            f"{kept.path} is left alone: {kept.reason}",
            subject=kept.path,
            repair=kept.hint,
        )
    if not findings.has("handed_over_gone", "handed_over_stale", "handed_over_kept"):
        findings.add(
            Area.MEMORIES,
            "handed_over",
            Severity.OK,
            f"{outcome.unchanged} files in the Codex home are as they should be",
        )
