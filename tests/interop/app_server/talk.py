"""A conversation with one of the two servers: its steps in order, and what was seen at each."""

import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import attrs

from tests.fakes.model_server import Step as ModelStep
from tests.interop.app_server.client import NO_PARAMS, AppServer
from tests.interop.app_server.normal import Normal
from tests.interop.app_server.pair import Side
from tests.interop.app_server.stored import Stored

OF_THREADS = ("thread/", "turn/", "item/")
"""The notifications that are compared; others speak of accounts, configuration and the machine."""

NOT_COMPARED = frozenset({"thread/readState/changed"})
"""Said for clients that mark threads as read, which memoryd does not."""


@attrs.frozen
class Ask:
    """A request.

    Attributes:
      params: "${NAME}" in a text stands for what an earlier step saved.
      save: names, each with the path to the value in the answer.
      wait: notifications that must come, beside the answer.
      refused: what both must say, when both must refuse it.
    """

    method: str
    params: Any = NO_PARAMS
    save: Mapping[str, str] = attrs.field(factory=dict, kw_only=True)
    wait: Sequence[str] = attrs.field(default=(), kw_only=True)
    refused: str | None = attrs.field(default=None, kw_only=True)


@attrs.frozen
class Restart:
    """End the server and start it again. forgetting: without the index that it had."""

    forgetting: bool = False


@attrs.frozen
class Change:
    """Something happens to the home while the server runs."""

    what: Callable[[Path], object]


@attrs.frozen
class Look:
    """Look at the home; what is seen is compared."""

    name: str
    what: Callable[[Path, Mapping[str, str]], Any]


Step = Ask | Restart | Change | Look


@attrs.frozen(kw_only=True)
class Conversation:
    """Steps on a home of their own.

    Attributes:
      talks_to_model: the model server answers "Done." to whatever it is asked.
      scripts: what it does otherwise, by what somebody says.
    """

    name: str
    home: Sequence[Stored] = ()
    steps: Sequence[Step]
    talks_to_model: bool = False
    scripts: Mapping[str, ModelStep] = attrs.field(factory=dict)


@attrs.frozen(kw_only=True)
class Seen:
    """What one step gave. what: the method, or what was looked at."""

    what: str
    value: Any
    refused: str | None = None


def hold(conversation: Conversation, side: Side) -> list[Seen]:
    """Go through the steps. The last thing seen are all notifications about threads, in an order of their own."""
    normal, saved, seen, heard = side.normal(), {"WORK": str(side.work)}, list[Seen](), list[Any]()
    with ExitStack() as stack:
        server = stack.enter_context(side.serving())
        for step in conversation.steps:
            match step:
                case Ask():
                    seen.append(_ask(step, server, normal, saved))
                    heard += _about_threads(server, normal)
                case Restart():
                    heard += _the_rest(server, normal)
                    stack.close()
                    if step.forgetting:
                        side.forget_index()
                    server = stack.enter_context(side.serving())
                case Change():
                    step.what(side.home)
                case Look():
                    seen.append(Seen(what=step.name, value=normal.of(step.what(side.home, saved))))
        heard += _the_rest(server, normal)
    return [*seen, Seen(what="notifications", value=sorted(heard, key=repr))]


def _ask(step: Ask, server: AppServer, normal: Normal, saved: dict[str, str]) -> Seen:
    answer = server.ask(step.method, _filled(step.params, saved))
    for name, path in step.save.items():
        saved[name] = _at(answer, path)
    told = [{"method": method, "params": server.wait_for(method)["params"]} for method in step.wait]
    value = {**answer, "told": told} if told else answer
    return Seen(what=step.method, value=normal.of(value), refused=step.refused)


def _about_threads(server: AppServer, normal: Normal) -> list[Any]:
    return [
        normal.of({"method": message["method"], "params": message["params"]})
        for message in server.take_kept()
        if message["method"].startswith(OF_THREADS) and message["method"] not in NOT_COMPARED
    ]


def _the_rest(server: AppServer, normal: Normal) -> list[Any]:
    """What was told of threads up to now. What follows an answer comes before the next one."""
    server.ask("thread/loaded/list", {})
    return _about_threads(server, normal)


def _at(answer: Any, path: str) -> Any:
    for part in path.split("."):
        answer = answer[int(part)] if isinstance(answer, list) else answer[part]
    return answer


def _filled(value: Any, saved: Mapping[str, str]) -> Any:
    if isinstance(value, str):
        for name, text in saved.items():
            value = value.replace("${" + name + "}", text)
        return value
    if isinstance(value, list):
        return [_filled(part, saved) for part in value]
    if isinstance(value, dict):
        return {name: _filled(part, saved) for name, part in value.items()}
    return value


def rollouts(home: Path, saved: Mapping[str, str]) -> list[str]:
    """Every rollout's place in the home."""
    return sorted(
        os.path.relpath(path, home)
        for top in ("sessions", "archived_sessions")
        for path in (home / top).rglob("rollout-*")
        if path.is_file()
    )
