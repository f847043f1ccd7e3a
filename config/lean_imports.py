"""Imports structlog and Trio without what they take along for uses that memoryd seldom or never makes of them.

rich, for tracebacks in colour, is 80 modules and a sixth of a start; memoryd writes its tracebacks as plain text, and
whoever draws a table or a progress bar imports rich then, as ever. asyncio, for structlog's own asynchronous methods,
and ssl, for Trio's encrypted streams, are imported once something in them is used. The entry point imports this first.
"""

import sys
from importlib import import_module
from types import ModuleType
from typing import Any

_MISSING: Any = None
"""What stands in `sys.modules` for a module that must not be found; Python's own convention."""


class _Late(ModuleType):
    """Stands for a module that is imported when something in it is used."""

    def __getattr__(self, name: str) -> Any:
        return getattr(import_module(self.__name__), name)


if "structlog" not in sys.modules and "trio" not in sys.modules:
    placed = {"rich": _MISSING, "asyncio": _Late("asyncio"), "ssl": _Late("ssl")}
    placed = {name: module for name, module in placed.items() if name not in sys.modules}
    sys.modules.update(placed)
    try:
        import structlog  # noqa: F401
        import trio  # noqa: F401
    finally:
        for name in placed:
            del sys.modules[name]
