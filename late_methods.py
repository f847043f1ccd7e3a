"""Has attrs write and compile the methods of a class when the first of them is used, and not when the class is made.

A start makes some three hundred such classes, most of them messages that this process never sends, and compiling their
methods took a quarter of it. What a class is stays the same: its fields, its slots, and what its methods do.

The entry point imports this first, and so do processes that help to read. attrs has no setting for it, so the class
that builds is exchanged; where a future attrs builds in another way, classes are made as ever.
"""

from collections.abc import Callable, Mapping
from typing import Any

import attr._make as making

_WRITTEN_LATE: Mapping[str, str] = {
    "add_repr": "__repr__",
    "add_eq": "__eq__",
    "add_hash": "__hash__",
    "add_init": "__init__",
    "add_attrs_init": "__attrs_init__",
}
"""What the builder does, and the method that this makes."""


class _Unwritten:
    """Stands in a class for a method that nobody has used yet. Two threads may come to it: both write the same."""

    def __init__(self, name: str, write: Callable[[], type]) -> None:
        self._name = name
        self._write = write

    def __get__(self, instance: object, owner: type | None = None) -> Any:
        method = self._write().__dict__[self._name]
        return method.__get__(instance, owner)


_BUILDER: Any = getattr(making, "_ClassBuilder", None)


def _make_late() -> None:
    """Exchange the builder for one that puts off what it writes."""

    class LateBuilder(_BUILDER):  # type: ignore[misc]
        """One class in the making; later, what writes its methods."""

        def __init__(self, *arguments: Any, **named: Any) -> None:
            super().__init__(*arguments, **named)
            self._put_off: list[tuple[str, tuple[Any, ...]]] = []
            self._made: type | None = None

        def build_class(self) -> type:
            for name, _ in self._put_off:
                method = _WRITTEN_LATE[name]
                self._cls_dict[method] = _Unwritten(method, self._write)
                if method == "__eq__":
                    self._cls_dict["__ne__"] = making.__ne__
            made: type = super().build_class()
            self._made = made
            return made

        def _eval_snippets(self) -> None:
            """Nothing is written yet."""

        def _write(self) -> type:
            """Write the methods into the class."""
            made = self._made
            assert made is not None, "nobody uses a class before it is there"
            self._cls_dict: dict[str, Any] = {}
            self._script_snippets: list[Any] = []
            for name, arguments in self._put_off:
                getattr(_BUILDER, name)(self, *arguments)
            _BUILDER._eval_snippets(self)
            for name, method in self._cls_dict.items():
                setattr(made, name, method)
            return made

    def put_off(name: str) -> Callable[..., Any]:
        def add(self: Any, *arguments: Any) -> Any:
            self._put_off.append((name, arguments))
            if name == "add_repr":
                self._repr_added = True
            return self

        return add

    for name in _WRITTEN_LATE:
        setattr(LateBuilder, name, put_off(name))
    setattr(making, "_ClassBuilder", LateBuilder)  # noqa: B010  # as a name it is a type, which none replaces


if all(hasattr(_BUILDER, name) for name in (*_WRITTEN_LATE, "_eval_snippets", "build_class")):
    _make_late()
