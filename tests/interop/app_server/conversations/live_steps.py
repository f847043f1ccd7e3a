"""The steps that conversations with live threads are made of."""

from typing import Any

from tests.interop.app_server.conversations.steps import about
from tests.interop.app_server.stored import Stored
from tests.interop.app_server.talk import Ask

STARTED = {"T": "result.thread.id"}


def resume(thread: Stored | str, **more: Any) -> Ask:
    """Load a thread, and wait for what the app-server says last of that."""
    return about("thread/resume", thread, wait=["thread/goal/cleared"], **more)


def spoken(text: str, thread: str = "${T}", *, called: str | None = None) -> Ask:
    """Say something, and wait until it was answered."""
    return Ask(
        "turn/start",
        {"threadId": thread, "input": [{"type": "text", "text": text}]},
        save={} if called is None else {called: "result.turn.id"},
        wait=["turn/started", "turn/completed"],
    )


def fork(thread: Stored | str, name: str = "F", **more: Any) -> Ask:
    """Fork a thread, and go on speaking of the fork by this name."""
    thread = thread if isinstance(thread, str) else thread.id
    return Ask("thread/fork", {"threadId": thread, **more}, save={name: "result.thread.id"}, wait=["thread/started"])


def start(**more: Any) -> Ask:
    return Ask("thread/start", {"cwd": "${WORK}", **more}, save=STARTED, wait=["thread/started"])
