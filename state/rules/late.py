"""Rules that are imported when they are first asked for, so that a command pays for what it asks and a start for less.

Making the classes of all messages takes longer than opening a store, and a command needs few of them.
"""

from collections.abc import Callable, Coroutine, Mapping
from importlib import import_module
from typing import Any

from state.ids import Instant
from state.messages.base import Request
from state.transaction import Transaction

Rule = Callable[[Transaction, Any, Instant], Coroutine[Any, Any, Any]]

Place = tuple[str, str]
"""A module and a name in it."""


class Module:
    """A module that is not imported yet: its attributes are places."""

    def __init__(self, path: str) -> None:
        self._path = path

    def __getattr__(self, name: str) -> Place:
        return self._path, name


class LateRules(dict[type[Request[Any]], Rule]):
    """From a request's class to its rule. As a dictionary it holds the rules that were asked for until now."""

    def __init__(self, places: Mapping[Place, Place]) -> None:
        super().__init__()
        self._places = places

    def __missing__(self, request_class: type[Request[Any]]) -> Rule:
        module, name = self._places[request_class.__module__, request_class.__qualname__]
        rule: Rule = getattr(import_module(module), name)
        self[request_class] = rule
        return rule

    def whole(self) -> "LateRules":
        """Import every rule that is not here yet; answer this dictionary, which then holds all of them.

        Raises:
          AttributeError: a name stands here that its module does not have.
        """
        for module, name in self._places:
            request_class = getattr(import_module(module), name)
            if request_class not in self:
                self.__missing__(request_class)
        return self
