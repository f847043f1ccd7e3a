"""What reading rollouts yields: plain values that the rest of memoryd understands without knowing the format.

A rollout is the JSONL record of one thread. Finding gives `FoundRollout`, folding gives `RolloutReading`,
and reading for extraction gives a `Conversation`.
"""

from enum import StrEnum

import attrs

from state.ids import ThreadId


@attrs.frozen(kw_only=True)
class FoundRollout:
    """One rollout as a directory listing and a `stat` show it.

    Attributes:
      path: relative to the Codex home, with `/` separators, e.g. "sessions/2026/11/21/rollout-....jsonl"; the same
        whether its file is plain or compressed. The figures are those of the file that is there.
      archived: True below archived_sessions/.
    """

    path: str
    archived: bool
    size_bytes: int
    mtime_ns: int
    inode: int


@attrs.frozen(kw_only=True)
class UnreadablePath:
    """A folder or file that the search could not use, and the plain reason."""

    path: str
    reason: str


@attrs.frozen(kw_only=True)
class Checkpoint:
    """Where a fold stopped, and the proof that what stands before that place is still the same.

    Attributes:
      offset_bytes: end of the last line that the fold has taken in.
      head_digest: hex BLAKE2b-128 of the first min(4096, offset_bytes) bytes.
      tail_digest: hex BLAKE2b-128 of the last min(4096, offset_bytes) bytes before offset_bytes.
      fold: the serialised fold state; opaque to everyone but `state.rollouts.fold`.
    """

    offset_bytes: int
    head_digest: str
    tail_digest: str
    fold: bytes


@attrs.frozen(kw_only=True)
class DynamicTool:
    """A tool that the session's client brought along. input_schema is compact JSON text."""

    name: str
    description: str
    input_schema: str
    defer_loading: bool = False
    namespace: str | None = None


@attrs.frozen(kw_only=True)
class ThreadFacts:
    """Everything that a rollout's text says about its thread: fold(lines), and nothing else.

    Enumerations that are objects in the rollout (a sub-agent's source, a permission profile) are compact JSON text.
    An empty string means unknown where the type is `str`; None means absent.

    Attributes:
      content_at_ms: time stamp of the last meaningful line, Unix ms; None when no line was meaningful.
      content_lines: how many meaningful lines there are. Grows with appended content, and only with it.
      content_digest: chained digest over the meaningful lines; equal digests mean equal content.
      turn_started_at_ms: time stamp of the last turn's start, Unix ms, or None.
      is_all_copied: a fork that has copied another thread and has said nothing itself (yet).
    """

    thread_id: ThreadId
    created_at_ms: int
    source: str
    originator: str
    thread_source: str | None
    parent_thread_id: str | None
    forked_from_id: str | None
    agent_nickname: str | None
    agent_role: str | None
    agent_path: str | None
    model_provider: str
    cwd: str
    cli_version: str
    history_mode: str
    memory_mode: str
    git_sha: str | None
    git_branch: str | None
    git_origin_url: str | None
    title: str
    first_user_message: str
    preview: str
    tokens_used: int
    sandbox_policy: str
    approval_mode: str
    model: str | None
    reasoning_effort: str | None
    turn_started_at_ms: int | None
    content_at_ms: int | None
    content_lines: int
    content_digest: str
    dynamic_tools: tuple[DynamicTool, ...]
    is_all_copied: bool = False


@attrs.frozen(kw_only=True)
class RolloutReading:
    """What one pass over a rollout found.

    Attributes:
      facts: the thread, or None when the file holds no thread; `refusal` then says why in a plain sentence.
      remark: what a person should know although the file was read ("last line is torn", "3 lines are not UTF-8").
      size_bytes, mtime_ns: from fstat on the descriptor that was read, taken before reading.
      continued: True when reading began at the previous checkpoint and not at the start.
      bytes_read: bytes of text that this pass took in; of a compressed file, after it was decompressed.
      lines_skipped: lines of this file that could not be understood, over all passes.
    """

    facts: ThreadFacts | None
    refusal: str | None
    remark: str | None
    checkpoint: Checkpoint
    size_bytes: int
    mtime_ns: int
    continued: bool
    bytes_read: int
    lines_skipped: int


class EventKind(StrEnum):
    """What happened in a conversation. Each value is one kind of line in the transcript, in either format."""

    USER = "user"
    """The person typed this. Injected context (environment, AGENTS.md, skills) is not it."""
    ASSISTANT = "assistant"
    """The agent said this to the person."""
    COMMAND = "command"
    """A command ran; `exit_code` is None when the transcript does not say."""
    PATCH = "patch"
    """Files were changed through the patch tool."""
    TOOL = "tool"
    """Any other tool call, with what it returned."""


@attrs.frozen(kw_only=True)
class ConversationEvent:
    """One thing that happened, in order.

    Attributes:
      line: 1-based number of the rollout line that says so; what a memory cites.
      at_ms: the line's time stamp, Unix ms, or None when it has none that parses.
      text: what the person or agent said; for COMMAND the command line; for TOOL the tool's name.
      output: what a command or tool printed, cut in the middle to at most `output_chars_max`; '' when none.
      exit_code: of a COMMAND.
      cwd: of a COMMAND, when the transcript says.
      succeeded: of a PATCH or TOOL, None when unknown.
      files: of a PATCH, paths as written in it.
    """

    kind: EventKind
    line: int
    at_ms: int | None
    text: str
    output: str = ""
    exit_code: int | None = None
    cwd: str = ""
    succeeded: bool | None = None
    files: tuple[str, ...] = ()


@attrs.frozen(kw_only=True)
class Conversation:
    """A whole rollout, as extraction sees it: filtered, in order, bounded.

    Attributes:
      ended: how the last turn ended: "completed", "aborted", "failed" or "open" (no end is recorded).
      input_digest: hex BLAKE2b-128 over the events' meaning; the same conversation gives the same digest.
      omitted_events: how many events were left out to stay within the bound; the oldest tool outputs go first.
      damage: why the rollout could not be read to its end, and so what its last events are is not known; else None.
    """

    thread_id: ThreadId
    cwd: str
    git_branch: str | None
    events: tuple[ConversationEvent, ...]
    ended: str
    input_digest: str
    omitted_events: int
    damage: str | None = None
