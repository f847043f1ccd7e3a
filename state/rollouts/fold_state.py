"""What a fold has learned so far, as a value that can be stored and taken up again.

A state that was stored and loaded continues to exactly the result of a fold that never stopped. What is stored is
redacted first; a redactor must leave alone what it has redacted before, because a continued fold passes through it
again.
"""

from collections.abc import Callable
from functools import lru_cache
from operator import attrgetter

import attrs
import msgspec

from state.decoders import json_decoder
from state.ids import ThreadId
from state.rollouts.filename import RolloutName
from state.rollouts.folders import plain_folder
from state.rollouts.model import DynamicTool, ThreadFacts
from state.rollouts.permissions import READ_ONLY

Redact = Callable[[str], str]
"""Takes a text and gives it back without its secrets. Idempotent."""

FORMAT = 4
"""Grows with every change of FoldState, and of what the fold makes of a line, so that files are folded anew."""

DEFAULT_SOURCE = "vscode"
DEFAULT_APPROVAL = "on-request"
DEFAULT_HISTORY_MODE = "legacy"


class FoldState(msgspec.Struct, omit_defaults=True, tag_field="format", tag=FORMAT):
    """Everything a fold remembers between two lines. Times are Unix ms; the other facts are as in ThreadFacts.

    Attributes:
      thread_id: empty until the first session_meta.
      meta_line_ms: stamp of the line that held the first session_meta; a last resort for `created_at_ms`.
      title_is_first, preview_is_first: the text is `first_user_message`, which can be megabytes long and is kept once.
      content_digest: BLAKE2b-64, chained over the meaningful lines.
      has_base: the fork names where it goes on in its parent, and so copies nothing.
      is_copying: the lines are copies of another thread's; see `state.rollouts.copies`.
      copied_at_ms: stamp of the last of them.
      is_own: the thread's own part has begun; from here on no line can begin a copy.
      has_dated_turns: turns among them have ids that say when they began.
      lines_understood: lines that were JSON objects with a type, whatever type that was.
      lines_not_utf8, lines_malformed, lines_oversized: lines that could not be understood, by reason.
    """

    thread_id: str = ""
    created_at_ms: int | None = None
    meta_line_ms: int | None = None
    source: str = DEFAULT_SOURCE
    originator: str = ""
    thread_source: str | None = None
    parent_thread_id: str | None = None
    forked_from_id: str | None = None
    agent_nickname: str | None = None
    agent_role: str | None = None
    agent_path: str | None = None
    model_provider: str = ""
    cwd: str = ""
    cli_version: str = ""
    history_mode: str = DEFAULT_HISTORY_MODE
    memory_mode: str = ""
    git_sha: str | None = None
    git_branch: str | None = None
    git_origin_url: str | None = None
    first_user_message: str = ""
    title: str = ""
    title_is_first: bool = False
    preview: str = ""
    preview_is_first: bool = False
    tokens_used: int = 0
    sandbox_policy: str = READ_ONLY
    approval_mode: str = DEFAULT_APPROVAL
    model: str | None = None
    reasoning_effort: str | None = None
    turn_started_at_ms: int | None = None
    content_at_ms: int | None = None
    content_lines: int = 0
    content_digest: bytes = b""
    dynamic_tools: tuple[DynamicTool, ...] = ()
    has_base: bool = False
    is_copying: bool = False
    copied_at_ms: int | None = None
    has_dated_turns: bool = False
    is_own: bool = False
    lines_understood: int = 0
    lines_not_utf8: int = 0
    lines_malformed: int = 0
    lines_oversized: int = 0

    @property
    def whole_title(self) -> str:
        """The title, wherever it is kept; empty while nothing gave one."""
        return self.first_user_message if self.title_is_first else self.title

    @property
    def whole_preview(self) -> str:
        """The preview, wherever it is kept; empty while nothing gave one."""
        return self.first_user_message if self.preview_is_first else self.preview

    @property
    def lines_skipped(self) -> int:
        """Lines that could not be understood."""
        return self.lines_not_utf8 + self.lines_malformed + self.lines_oversized


_JSON_TEXTS = frozenset(("source", "sandbox_policy", "approval_mode", "thread_source"))
"""Facts that are JSON text when they are not a plain word."""

_TEXTS = (
    "source",
    "originator",
    "thread_source",
    "parent_thread_id",
    "forked_from_id",
    "agent_nickname",
    "agent_role",
    "agent_path",
    "model_provider",
    "cwd",
    "cli_version",
    "history_mode",
    "memory_mode",
    "git_sha",
    "git_branch",
    "git_origin_url",
    "first_user_message",
    "title",
    "preview",
    "sandbox_policy",
    "approval_mode",
    "model",
    "reasoning_effort",
)
"""Every fact that is text, except the thread's id, which is a UUID and nothing else."""

_texts_of = attrgetter(*_TEXTS)

SHORT_CHARS = 500
"""Shorter texts are the same in thousands of rollouts (folders, versions, settings), so their redaction is kept."""

_decode_state = json_decoder(FoldState).decode
_encode = msgspec.json.Encoder().encode


def state_to_bytes(state: FoldState) -> bytes:
    """The state as it is stored. It must have been redacted."""
    return _encode(state)


def state_from_bytes(stored: bytes) -> FoldState | None:
    """A stored state; None when it is damaged or of another format, and the file has to be folded anew."""
    try:
        return _decode_state(stored)
    except ValueError:
        return None


def redacted(state: FoldState, redact: Redact) -> FoldState:
    """The state without secrets, and without the NUL characters at which SQLite's text functions stop; the same object
    when there were none."""
    changed: dict[str, object] = {}
    for name, text in zip(_TEXTS, _texts_of(state), strict=True):
        if text:
            cleaned = _cleaned(text, redact)
            if cleaned != text:
                changed[name] = _mended_json(text, cleaned) if name in _JSON_TEXTS else cleaned
    if state.dynamic_tools:
        changed["dynamic_tools"] = tuple(_cleaned_tool(tool, redact) for tool in state.dynamic_tools)
    return msgspec.structs.replace(state, **changed) if changed else state


def thread_facts(state: FoldState, name: RolloutName | None) -> ThreadFacts | None:
    """What the state says about its thread; None when neither a session_meta nor the file's name names a thread.

    Without a session_meta the id and the time of creation are those of the file's name.
    """
    thread_id = ThreadId(state.thread_id) if state.thread_id else name.thread_id if name is not None else None
    if thread_id is None:
        return None
    times = (state.created_at_ms, name.created_at_ms if name is not None else None, state.meta_line_ms)
    return ThreadFacts(
        thread_id=thread_id,
        created_at_ms=next((time for time in times if time is not None), 0),
        source=state.source,
        originator=state.originator,
        thread_source=state.thread_source,
        parent_thread_id=state.parent_thread_id,
        forked_from_id=state.forked_from_id,
        agent_nickname=state.agent_nickname,
        agent_role=state.agent_role,
        agent_path=state.agent_path,
        model_provider=state.model_provider,
        cwd=plain_folder(state.cwd),
        cli_version=state.cli_version,
        history_mode=state.history_mode,
        memory_mode=state.memory_mode,
        git_sha=state.git_sha,
        git_branch=state.git_branch,
        git_origin_url=state.git_origin_url,
        title=state.whole_title,
        first_user_message=state.first_user_message,
        preview=state.whole_preview,
        tokens_used=state.tokens_used,
        sandbox_policy=state.sandbox_policy,
        approval_mode=state.approval_mode,
        model=state.model,
        reasoning_effort=state.reasoning_effort,
        turn_started_at_ms=state.turn_started_at_ms,
        content_at_ms=state.content_at_ms,
        content_lines=state.content_lines,
        content_digest=state.content_digest.hex(),
        dynamic_tools=state.dynamic_tools,
        is_all_copied=not state.content_lines and (state.is_copying or state.copied_at_ms is not None),
    )


def _cleaned_tool(tool: DynamicTool, redact: Redact) -> DynamicTool:
    return attrs.evolve(
        tool,
        name=_cleaned(tool.name, redact),
        description=_cleaned(tool.description, redact),
        input_schema=_mended_json(tool.input_schema, _cleaned(tool.input_schema, redact)),
        namespace=None if tool.namespace is None else _cleaned(tool.namespace, redact),
    )


def _mended_json(text: str, cleaned: str) -> str:
    """JSON text without its secrets; as one JSON string when redacting broke its syntax. A plain word stays one."""
    if cleaned == text or not text.startswith(("{", "[")):
        return cleaned
    try:
        msgspec.json.decode(cleaned)
    except (ValueError, RecursionError):
        return _encode(cleaned).decode()
    return cleaned


def _cleaned(text: str, redact: Redact) -> str:
    return _cleaned_short(text, redact) if len(text) < SHORT_CHARS else _cleaned_anew(text, redact)


def _cleaned_anew(text: str, redact: Redact) -> str:
    return redact(text.replace("\0", "\ufffd"))


_cleaned_short = lru_cache(maxsize=2048)(_cleaned_anew)
