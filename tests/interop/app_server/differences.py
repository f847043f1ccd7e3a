"""The differences between the app-server's answers and memoryd's that are meant, each with its reason.

The rule: an answer is equal in every member, or the member is named here, and `holds` has looked at both values.
"""

import re
from collections.abc import Callable, Iterable
from typing import Any

import attrs

from tests.interop.app_server.normal import unlike

Holds = Callable[[Any, Any], bool]


@attrs.frozen(kw_only=True)
class Meant:
    """One difference.

    Attributes:
      method: of the request, or of the notification.
      path: a regular expression for all of the member's path in the answer.
      where: a regular expression for the beginning of the conversation's name, or the question's; "" is everywhere.
      holds: takes the app-server's value and memoryd's.
    """

    method: str
    path: str
    where: str = ""
    reason: str
    holds: Holds


MEANT: tuple[Meant, ...] = ()


def differences(where: str, method: str, theirs: Any, ours: Any) -> list[str]:
    """One line for each member that is neither equal nor meant to differ."""
    return [
        f"{where}: {method}: {path or 'the answer'}: Codex {_shown(one)}, memoryd {_shown(other)}"
        for path, one, other in unlike(theirs, ours)
        if not is_meant(where, method, path, one, other)
    ]


def is_meant(where: str, method: str, path: str, theirs: Any, ours: Any, table: Iterable[Meant] = MEANT) -> bool:
    """Whether this difference stands in the table."""
    return any(
        meant.method in ("", method)
        and re.fullmatch(meant.path, path)
        and re.match(meant.where, where)
        and meant.holds(theirs, ours)
        for meant in table
    )


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 300 else f"{text[:300]}…"
