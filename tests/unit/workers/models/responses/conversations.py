"""Conversations for the tests of this provider."""

from state.ids import Scope, ThreadId
from state.rollouts.model import Conversation, ConversationEvent, EventKind
from workers.models.protocol import ExtractionTask

WISH = "Always use pnpm instead of npm in this project."


def said(line: int, text: str = WISH) -> ConversationEvent:
    """The person says something, at as many seconds as the line's number."""
    return ConversationEvent(kind=EventKind.USER, line=line, at_ms=line * 1_000, text=text)


def ran(line: int, output: str, *, text: str = "make test") -> ConversationEvent:
    """A command ran and printed something."""
    return ConversationEvent(
        kind=EventKind.COMMAND, line=line, at_ms=line * 1_000, text=text, output=output, exit_code=0
    )


def told(line: int, text: str) -> ConversationEvent:
    """The agent says something."""
    return ConversationEvent(kind=EventKind.ASSISTANT, line=line, at_ms=line * 1_000, text=text)


def conversation(*events: ConversationEvent, omitted_events: int = 0) -> Conversation:
    """A session with these events."""
    return Conversation(
        thread_id=ThreadId("thread-1"),
        cwd="/home/ann/shop",
        git_branch="main",
        events=events or (said(2),),
        ended="completed",
        input_digest="digest",
        omitted_events=omitted_events,
    )


def task(*events: ConversationEvent) -> ExtractionTask:
    """A task for a session with these events."""
    return ExtractionTask(scope=Scope(kind="cwd", key="/home/ann/shop"), conversation=conversation(*events))
