"""The differences between the app-server's answers and memoryd's that are meant, each with its reason.

The rule: an answer is equal in every member, or the member is named here, and `holds` has looked at both values.
"""

import json
import re
from collections.abc import Callable, Iterable
from typing import Any

import attrs

from tests.interop.app_server.normal import MISSING, unlike

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


THREAD = r"result\.(thread|data\[[0-9a-f]{5}\](\.thread)?)"
"""The object of a thread in an answer: alone, in a listing, or in what a search found."""


def _earlier_there(theirs: Any, ours: Any) -> bool:
    return isinstance(theirs, int) and isinstance(ours, int) and theirs < ours


def _nothing_there(theirs: Any, ours: Any) -> bool:
    return theirs in (None, []) and ours not in (None, [])


def _internal_error_there(theirs: Any, ours: Any) -> bool:
    if theirs == -32603:
        return bool(ours == -32600)
    return str(theirs).startswith("failed to read thread: ") and str(ours).startswith("thread not loaded: ")


def _not_loaded_once_more(theirs: Any) -> bool:
    return [(one["method"], one["params"]["status"]) for one in theirs] == [
        ("thread/status/changed", {"type": "notLoaded"})
    ]


def _named_thread_more(theirs: Any, ours: Any) -> bool:
    if isinstance(theirs, list):
        return [one for one in ours if one != "0001b"] == theirs
    return bool(theirs == MISSING or str(ours) == "2025-01-05T12:26:59.999Z")


def _earlier_line(theirs: Any, ours: Any) -> bool:
    if not (isinstance(theirs, str) and isinstance(ours, str)):
        return False
    one, other = json.loads(theirs), json.loads(ours)
    return bool(other.pop("rolloutOrdinal") < one.pop("rolloutOrdinal") and one == other)


MEANT: tuple[Meant, ...] = (
    Meant(
        method="",
        path=THREAD + r"\.updatedAt",
        where="edit |files that come later|a thread in which nobody spoke",
        reason="Codex's row has the time before the line of the last git edit; memoryd's has the file's.",
        holds=lambda theirs, ours: ours == "<now>" != theirs,
    ),
    Meant(
        method="",
        path=r"result\.(thread|data\[00002\])\.(updatedAt|recencyAt)|result\.data ids",
        where="files that come later",
        reason="Codex does not read again what another process has written into a thread that it knows.",
        holds=lambda theirs, ours: isinstance(ours, list) or _earlier_there(theirs, ours),
    ),
    Meant(
        method="thread/list",
        path=r"result\.backwardsCursor",
        where="files that come later, 10",
        reason="The same, and the time before the line of an edit: the moment of the first thread of the page.",
        holds=lambda _, ours: ours == "<now>",
    ),
    Meant(
        method="thread/read",
        path=r"result\.thread\.recencyAt",
        where="a file that comes later is read",
        reason="Codex reads a thread that its index does not know from the first line alone; memoryd makes its row.",
        holds=_earlier_there,
    ),
    Meant(
        method="",
        path=THREAD + r"\.recencyAt",
        where="two files of one thread",
        reason="Codex keeps the time of the file that it has met first; memoryd has that of the file that it shows.",
        holds=_earlier_there,
    ),
    Meant(
        method="",
        path=r"(result|error)?",
        where="a paginated file that is gone",
        reason="Defect 5: an edit of a thread whose file is gone succeeds in Codex's database alone, and is told.",
        holds=lambda theirs, ours: (theirs == MISSING) != (ours == MISSING) or [*theirs[:1], *ours] == theirs,
    ),
    Meant(
        method="thread/read",
        path=r"result\.thread\.turns ids",
        reason="Codex finds turns of a paginated thread in its history database alone, which no backfill fills.",
        holds=_nothing_there,
    ),
    Meant(
        method="thread/turns/list",
        path=r"result\.(data ids|nextCursor|backwardsCursor)",
        reason="The same: a page of nothing there is a page of turns here.",
        holds=_nothing_there,
    ),
    Meant(
        method="thread/items/list",
        path=r"result\.(data|nextCursor|backwardsCursor)",
        reason="The same, for items.",
        holds=_nothing_there,
    ),
    Meant(
        method="thread/searchOccurrences",
        path=r"result\.(data|nextCursor)",
        reason="The same, for what was said in it.",
        holds=_nothing_there,
    ),
    Meant(
        method="thread/search",
        path=r"result\.nextCursor",
        where=r"(any )?thread/search .*'sourceKinds': \['",
        reason="Codex looks at the kind of a thread after it has cut the page, so its cursor may lead to an empty one.",
        holds=lambda theirs, ours: isinstance(theirs, str) and ours is None,
    ),
    Meant(
        method="thread/search",
        path=r"result\.(data ids|backwardsCursor|data\[00002\]\.thread\.(updatedAt|recencyAt))",
        where="searching what changes",
        reason="A search, too, looks at the files first; Codex shows what its index has since it was listed last.",
        holds=lambda theirs, ours: _nothing_there(theirs, ours) or _earlier_there(theirs, ours),
    ),
    Meant(
        method="",
        path=THREAD + r"\.name",
        reason="Defect 1: Codex knows the names of paginated threads from its database alone, and loses them with it.",
        holds=_nothing_there,
    ),
    Meant(
        method="thread/read",
        path=r"error\.(code|message)",
        reason="A file that is no rollout is no thread; Codex tells clients what its reader stumbled over.",
        holds=_internal_error_there,
    ),
    Meant(
        method="",
        path=r"result\.(readState|readStates\.[^.]+)\.firstUnread",
        where="a live thread|nobody has spoken|forks that leave",
        reason="memoryd does not keep what a client has read.",
        holds=lambda theirs, ours: isinstance(theirs, dict) and ours is None,
    ),
    Meant(
        method="thread/resume",
        path=r"result\.(turns|items)BackwardsCursor",
        where="a live thread",
        reason="It names a line of the rollout; Codex has recorded instructions and a world there, memoryd has none.",
        holds=_earlier_line,
    ),
    Meant(
        method="rollouts",
        path="",
        where="a live thread, 6",
        reason="Reading the turns of a thread in which nobody spoke makes its rollout there; here it writes nothing.",
        holds=lambda theirs, ours: len(theirs) == 1 and ours == [],
    ),
    Meant(
        method="thread/metadata/update",
        path="result|error",
        where="nobody ever spoke",
        reason="Defect 5: of a thread without a file Codex edits its database, for nobody.",
        holds=lambda theirs, ours: (ours == MISSING) != (theirs == MISSING),
    ),
    Meant(
        method="thread/read",
        path=r"result\.thread\.preview",
        where="forks that leave their source early",
        reason="A row says what its file says, as Codex's backfill has it; Codex's live row keeps the source's words.",
        holds=lambda theirs, ours: (theirs, ours) == ("One", "After"),
    ),
    Meant(
        method="thread/list",
        path=r"result\.(data ids|readStates\.\S+|backwardsCursor)",
        where=r"thread/list .*'searchTerm': '(the|till)'",
        reason="Defect 1: a name that only session_index.jsonl knows is searched here, and not there.",
        holds=_named_thread_more,
    ),
    Meant(
        method="thread/read",
        path=r"result|error",
        where=r"thread/read \{'threadId': '01a00000-0000-7000-8000-000000000811'\}",
        reason="Links are not followed: what they lead to may lie outside of the home.",
        holds=lambda theirs, ours: (ours == MISSING) != (theirs == MISSING),
    ),
    Meant(
        method="thread/list",
        path=r"result|error",
        where=r"thread/list \[\]",
        reason="Parameters by their place are for structures of the same members, and memoryd's has fewer.",
        holds=lambda theirs, ours: (ours == MISSING) != (theirs == MISSING),
    ),
    Meant(
        method="thread/read",
        path=r"result\.thread\.threadSource",
        reason="Codex's reader of the older format leaves out what its row has.",
        holds=lambda theirs, ours: theirs is None and ours == "user",
    ),
    Meant(
        method="the end of 'Look at the drawer'",
        path=r"\[0\]\.last\[0\]\.payload\.source\.subagent\.thread_spawn\.agent_(path|nickname|role)",
        reason="An appended first line repeats the file's as it stands; Codex writes what it lacks as null.",
        holds=lambda theirs, ours: theirs is None and ours == MISSING,
    ),
    Meant(
        method="thread/read",
        path=r"result\.thread\.gitInfo\.branch",
        where="a rebuilt index with what Codex loses",
        reason="Defect 1: Codex keeps edits of paginated threads in its database alone, and loses them with it.",
        holds=lambda theirs, ours: (theirs, ours) == ("feature/x", "edited"),
    ),
    Meant(
        method="notifications",
        path="",
        where=r"thread/(archive|delete) of a thread in which nobody spoke",
        reason="On a busy machine Codex sometimes tells twice that the thread is no longer loaded.",
        holds=lambda theirs, ours: ours == [] and _not_loaded_once_more(theirs),
    ),
    Meant(
        method="",
        path=r"error(\.code|\.message)?|result",
        where="odd first lines",
        reason="Codex stumbles over a missing first line or a byte order mark before it; memoryd reads what there is.",
        holds=lambda theirs, _: "failed to " in str(theirs) or theirs in (-32603, MISSING),
    ),
    Meant(
        method="thread/list",
        path=r"result\.(data ids|readStates\.\S+0002[23])",
        where="odd first lines",
        reason="The same: Codex's listing of the sessions that people talk to passes these over.",
        holds=lambda theirs, ours: theirs == MISSING or set(theirs) < set(ours),
    ),
    Meant(
        method="thread/list",
        path=r"result\.data\[0002[23]\]\.(cwd|cliVersion|originator|source)",
        where="odd first lines",
        reason="The same: Codex takes its own folder and defaults for what it did not find.",
        holds=lambda theirs, _: theirs in ("<work>", "", None, "vscode"),
    ),
    Meant(
        method="thread/list",
        path=THREAD + r"\.gitInfo",
        where="edit (legacy|child)|a rebuilt index",
        reason="Codex's listing fills what was cleared from the file's first line, which thread/read there does not.",
        holds=lambda theirs, ours: ours is None or any(theirs[name] != ours[name] is None for name in ours),
    ),
)


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
