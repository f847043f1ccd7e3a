"""One scope's files from its memories. Pure: the same memories give the same bytes.

MEMORY.md             what holds, by section; every line ends with [thread:line], the place that proves it
memory_summary.md     the same, short; what an agent reads first. Its first line is `v1`
raw_memories.md       every session's memory, in thread id order
rollout_summaries/    one file a session
"""

from collections.abc import Mapping

from state.ids import Scope
from state.messages.consolidation import ScopeMemory
from workers.consolidation.merge import Merged, SessionTask, Standing, merge
from workers.consolidation.naming import summary_stems
from workers.consolidation.text import cut_at_line, day, one_line, quoted_block, rfc3339

MEMORY_LINES_MAX = 200
MEMORY_CHARS_MAX = 25_000
"""Agents load the first 200 lines or 25 kB of such a file; what does not fit is in rollout_summaries/."""

_REST_IS_ELSEWHERE = "(older entries are in rollout_summaries/)"

SUMMARY_CHARS_MAX = 9_000
"""The Codex CLI cuts an injected summary in the middle at about 10,000 characters; below that nothing is lost."""

UNREMARKABLE = "completed"
"""How most sessions end. Saying so in every entry would be one more line to read past."""

SUMMARY_WISHES_MAX = 30
SUMMARY_FIXES_MAX = 12
SUMMARY_TASKS_MAX = 20


def render_scope(scope: Scope, memories: tuple[ScopeMemory, ...], *, codex_home: str) -> dict[str, str]:
    """Write all files of a scope, by their path relative to its folder. The order of `memories` does not matter."""
    memories = tuple(sorted(memories, key=lambda memory: memory.thread_id))
    merged = merge(memories)
    stems = summary_stems(memories)
    files = {
        "MEMORY.md": _memory(scope, merged, stems),
        "memory_summary.md": _summary(scope, merged),
        "raw_memories.md": _raw_memories(memories, stems, codex_home),
    }
    for memory in memories:
        files[f"rollout_summaries/{stems[memory.thread_id]}.md"] = _rollout_summary(memory, codex_home)
    return files


def _cite(thread_id: str, line: int) -> str:
    return f"[{thread_id}:{line}]"


def _standing(one: Standing) -> str:
    return f"- {one_line(one.note.text)} {_cite(one.thread_id, one.note.line)}"


def _task_title(task: SessionTask) -> tuple[str, int]:
    """What the session was about, and the rollout line that says so."""
    if task.requests:
        return one_line(task.requests[0].text), task.requests[0].line
    first = task.memory.rollout_summary.strip().partition("\n")[0].lstrip("# ")
    line = task.memory.notes[0].line if task.memory.notes else 1
    return one_line(first) or "(no title)", line


def _task_line(task: SessionTask) -> str:
    title, line = _task_title(task)
    return f"- {day(task.memory.source_at_ms)} {title} {_cite(task.memory.thread_id, line)}"


def _memory(scope: Scope, merged: Merged, stems: Mapping[str, str]) -> str:
    key = one_line(scope.key) or "(no folder)"
    lines = [
        f"# Task Group: {key}",
        "",
        f"scope: {scope.kind}",
        f"applies_to: cwd={key}; reuse_rule=only for work in this folder",
        "Each line ends with [thread:line], the place in the transcript that proves it.",
    ]
    if not (merged.wishes or merged.fixes or merged.tasks):
        return "\n".join([*lines, "", "Nothing worth remembering yet.", ""])
    if merged.wishes:
        lines += ["", "## User preferences", "", *map(_standing, merged.wishes)]
    if merged.fixes:
        lines += ["", "## Reusable knowledge: what failed, and what then worked", "", *map(_standing, merged.fixes)]
    if merged.tasks:
        lines += ["", "## Tasks, newest first"]
    for task in merged.tasks:
        lines += ["", *_task_block(task, stems)]
    if cut_at_line(lines, MEMORY_CHARS_MAX)[:MEMORY_LINES_MAX] != lines:
        kept = cut_at_line(lines, MEMORY_CHARS_MAX - len(_REST_IS_ELSEWHERE) - 1)[: MEMORY_LINES_MAX - 1]
        lines = [*kept, _REST_IS_ELSEWHERE]
    return "\n".join(lines) + "\n"


def _task_block(task: SessionTask, stems: Mapping[str, str]) -> list[str]:
    thread_id = task.memory.thread_id
    title, line = _task_title(task)
    block = [f"### {day(task.memory.source_at_ms)} {title} {_cite(thread_id, line)}"]
    block += [f"- then: {one_line(note.text)} {_cite(thread_id, note.line)}" for note in task.requests[1:]]
    block += [f"- files: {one_line(note.text)} {_cite(thread_id, note.line)}" for note in task.files]
    if task.outcome is not None and task.outcome.text != UNREMARKABLE:
        block.append(f"- outcome: {one_line(task.outcome.text)} {_cite(thread_id, task.outcome.line)}")
    block.append(f"- more: rollout_summaries/{stems[thread_id]}.md [{thread_id}]")
    return block


def _summary(scope: Scope, merged: Merged) -> str:
    lines = ["v1", "", f"# {one_line(scope.key) or '(no folder)'}"]
    if merged.wishes:
        lines += ["", "## User preferences", *map(_standing, merged.wishes[:SUMMARY_WISHES_MAX])]
    if merged.fixes:
        lines += ["", "## General Tips", *map(_standing, merged.fixes[:SUMMARY_FIXES_MAX])]
    if merged.tasks:
        lines += ["", "## What's in Memory", *map(_task_line, merged.tasks[:SUMMARY_TASKS_MAX])]
    return "\n".join(cut_at_line(lines, SUMMARY_CHARS_MAX)) + "\n"


def _raw_memories(memories: tuple[ScopeMemory, ...], stems: Mapping[str, str], codex_home: str) -> str:
    if not memories:
        return "# Raw Memories\n\nNo raw memories yet.\n"
    lines = ["# Raw Memories", "", "Merged stage-1 raw memories (stable ascending thread-id order):", ""]
    for memory in memories:
        lines += [
            f"## Thread `{memory.thread_id}`",
            f"updated_at: {rfc3339(memory.source_at_ms)}",
            f"cwd: {one_line(memory.cwd)}",
            f"rollout_path: {one_line(f'{codex_home}/{memory.rollout_path}')}",
            f"rollout_summary_file: {stems[memory.thread_id]}.md",
            "",
            quoted_block(memory.raw_memory),
            "",
        ]
    return "\n".join(lines)


def _rollout_summary(memory: ScopeMemory, codex_home: str) -> str:
    header = [
        f"thread_id: {memory.thread_id}",
        f"updated_at: {rfc3339(memory.source_at_ms)}",
        f"rollout_path: {one_line(f'{codex_home}/{memory.rollout_path}')}",
        f"cwd: {one_line(memory.cwd)}",
    ]
    if memory.git_branch:
        header.append(f"git_branch: {one_line(memory.git_branch)}")
    return "\n".join([*header, "", memory.rollout_summary.strip(), ""])
