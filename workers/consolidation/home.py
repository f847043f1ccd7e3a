"""The home-wide files from the summaries of all projects. Pure: the same summaries give the same bytes.

memory_summary.md is what the Codex CLI puts into a prompt, so it starts with `v1`, stays below its cut, and has the
most recent projects first. MEMORY.md is the index that leads to each project's files.
"""

import attrs

from state.messages.consolidation import PublishedScope
from workers.consolidation.render import MEMORY_LINES_MAX, SUMMARY_CHARS_MAX
from workers.consolidation.text import cut_at_line, day, one_line

SCOPE_CHARS_MIN = 1_200
"""A project's part is not cut below this: a few preferences and tasks. Further projects are only named."""


@attrs.frozen(kw_only=True)
class ScopeSummary:
    """One project's current memory_summary.md."""

    scope: PublishedScope
    text: str


def render_home(summaries: tuple[ScopeSummary, ...]) -> dict[str, str]:
    """Write both files. summaries: most recent content first."""
    return {"MEMORY.md": _index(summaries), "memory_summary.md": _home_summary(summaries)}


def _index(summaries: tuple[ScopeSummary, ...]) -> str:
    lines = [
        "# Memory",
        "",
        "One entry a project, most recent first. Each line of a project's files ends with [thread:line].",
        "",
    ]
    if not summaries:
        lines.append("Nothing worth remembering yet.")
    for summary in summaries:
        scope = summary.scope
        lines.append(
            f"- {one_line(scope.scope.key) or '(no folder)'}: scopes/{scope.scope_folder}/MEMORY.md"
            f" (last session {day(scope.source_at_ms)})"
        )
    kept = lines[: MEMORY_LINES_MAX - 1]
    if len(kept) < len(lines):
        kept.append(f"- and {len(lines) - len(kept)} more in scopes/")
    return "\n".join(kept) + "\n"


def _home_summary(summaries: tuple[ScopeSummary, ...]) -> str:
    lines = ["v1", "", "# Memory of past sessions, most recent projects first"]
    left = SUMMARY_CHARS_MAX - sum(len(line) + 1 for line in lines) - 80  # for the closing line
    share = max(SCOPE_CHARS_MIN, left // max(len(summaries), 1))
    named = 0
    for summary in summaries:
        whole = ["", *_demoted(summary.text)]
        part = cut_at_line(whole, min(share, left))
        if len(part) < 3 or (part != whole and left < SCOPE_CHARS_MIN):
            continue
        named += 1
        lines += part
        left -= sum(len(line) + 1 for line in part)
    if named < len(summaries):
        lines += ["", f"{len(summaries) - named} more projects are listed in MEMORY.md."]
    return "\n".join(lines) + "\n"


def _demoted(text: str) -> list[str]:
    """The lines of a project's summary without its `v1`, its headings one level down."""
    lines = [line for line in text.strip().split("\n") if line != "v1"]
    return ["#" + line if line.startswith("#") else line for line in lines if line.strip()]
