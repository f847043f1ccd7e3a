"""Small conversations, written the way one would tell them: a line for each thing that happened."""

from state.ids import Scope, ThreadId
from state.rollouts.model import Conversation, ConversationEvent, EventKind
from workers.models.protocol import ExtractionTask

CWD = "/home/ann/shop"


def user(text: str) -> ConversationEvent:
    """The person typed this."""
    return ConversationEvent(kind=EventKind.USER, line=0, at_ms=None, text=text)


def agent(text: str) -> ConversationEvent:
    """The agent said this."""
    return ConversationEvent(kind=EventKind.ASSISTANT, line=0, at_ms=None, text=text)


def ran(command: str, exit_code: int | None = 0, output: str = "") -> ConversationEvent:
    """A command ran."""
    return ConversationEvent(
        kind=EventKind.COMMAND, line=0, at_ms=None, text=command, output=output, exit_code=exit_code, cwd=CWD
    )


def patched(*files: str, succeeded: bool | None = True) -> ConversationEvent:
    """Files were changed."""
    return ConversationEvent(
        kind=EventKind.PATCH, line=0, at_ms=None, text="apply_patch", succeeded=succeeded, files=files
    )


def tool(name: str, output: str) -> ConversationEvent:
    """Another tool was called."""
    return ConversationEvent(kind=EventKind.TOOL, line=0, at_ms=None, text=name, output=output, succeeded=True)


def conversation(*events: ConversationEvent, ended: str = "completed", cwd: str = CWD) -> Conversation:
    """The events on rollout lines 10, 20, 30, ..., a second apart."""
    placed = tuple(
        ConversationEvent(
            kind=event.kind,
            line=10 * number,
            at_ms=1_000 * number,
            text=event.text,
            output=event.output,
            exit_code=event.exit_code,
            cwd=event.cwd,
            succeeded=event.succeeded,
            files=event.files,
        )
        for number, event in enumerate(events, start=1)
    )
    return Conversation(
        thread_id=ThreadId("01a1fbcb-8829-7350-bc90-0671ab3070ad"),
        cwd=cwd,
        git_branch="main",
        events=placed,
        ended=ended,
        input_digest="0" * 32,
        omitted_events=0,
    )


def task(conversation: Conversation) -> ExtractionTask:
    """The conversation as a provider is asked about it."""
    return ExtractionTask(scope=Scope(kind="cwd", key=conversation.cwd), conversation=conversation)
