"""`thread/metadata/update`: the git facts of a thread, each kept, cleared or set."""

from typing import Any

import attrs

from interfaces.rpc.errors import RpcError
from interfaces.rpc.handlers.stored import edit_refusals, editable, stored_object
from interfaces.rpc.host import Host
from interfaces.rpc.session import Session
from interfaces.rpc.shapes import ABSENT, Absent, Shape, member, member_or, nullable, structure, text
from interfaces.rpc.thread_ids import thread_id
from state.messages.thread_edits import KEEP, Keep
from state.thread_editing import GitPatch, patch_git

Given = str | Absent | None
"""Left out, null, or a text."""

_LEFT_OUT: Given = ABSENT
_given: Shape[Given] = nullable(text)


@attrs.frozen(kw_only=True)
class ThreadMetadataGitInfoUpdateParams:
    """Left out: stays as it is. Null: is cleared."""

    sha: Given = member_or(_LEFT_OUT, _given)
    branch: Given = member_or(_LEFT_OUT, _given)
    origin_url: Given = member_or(_LEFT_OUT, _given)


@attrs.frozen(kw_only=True)
class ThreadMetadataUpdateParams:
    """Which thread, and what is said of it."""

    thread_id: str = member(text)
    git_info: ThreadMetadataGitInfoUpdateParams | None = member_or(
        None, nullable(structure(ThreadMetadataGitInfoUpdateParams))
    )


async def update_metadata(host: Host, session: Session, params: ThreadMetadataUpdateParams) -> dict[str, Any]:
    """Patch, and answer with the thread as it is then. Nothing is read or written before all is checked."""
    wanted = thread_id(params.thread_id)
    if params.git_info is None:
        raise RpcError("thread metadata update must include at least one field")
    patch = _checked(params.git_info)
    with edit_refusals(wanted, "update thread metadata"):
        live = await editable(host, wanted)
        row = await patch_git(host.storage, wanted, patch, live)
    return {"thread": stored_object(host, row, live)}


def _checked(given: ThreadMetadataGitInfoUpdateParams) -> GitPatch:
    if all(isinstance(value, Absent) for value in attrs.astuple(given, recurse=False)):
        raise RpcError("gitInfo must include at least one field")
    # In the order of the original: of several empty ones it names this one first.
    origin_url = _value("originUrl", given.origin_url)
    return GitPatch(sha=_value("sha", given.sha), branch=_value("branch", given.branch), origin_url=origin_url)


def _value(name: str, given: Given) -> str | Keep | None:
    if isinstance(given, Absent):
        return KEEP
    if given is None:
        return None
    trimmed = given.strip()
    if not trimmed:
        raise RpcError(f"gitInfo.{name} must not be empty")
    return trimmed
