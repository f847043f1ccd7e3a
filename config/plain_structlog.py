"""Imports structlog without rich, which it takes where it finds it, for tracebacks in colour.

memoryd writes its tracebacks as plain text, and rich with what it brings along is 80 modules: a sixth of a start.
Whoever draws a table or a progress bar imports rich then, as ever. The entry point imports this first.
"""

import sys
from typing import Any

_MISSING: Any = None
"""What stands in `sys.modules` for a module that must not be found; Python's own convention."""

if "structlog" not in sys.modules and "rich" not in sys.modules:
    sys.modules["rich"] = _MISSING
    try:
        import structlog  # noqa: F401
    finally:
        del sys.modules["rich"]
