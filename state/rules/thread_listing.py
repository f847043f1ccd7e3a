"""Which threads a listing shows, in order: as many rows are read as are shown, however many threads there are.

A thread's group, `listing_group`, holds all that a listing tells apart but the working folder: archived or not, the
provider, the class of the source. There are few groups, in all and in each folder, so they are looked up first. Within
one the threads lie in the order of each time, so a page is a merge of a few groups, each read from where the page
begins.

No index leads to a text in titles. The threads are tried in their order for a while, which fills a page where the text
is common and ends where there are few threads; then all titles of the groups are, which lie side by side in one index.
"""

from collections.abc import Sequence

import attrs

from state.ids import ThreadId
from state.messages.threads import ThreadDirection, ThreadFilter, ThreadSort
from state.rules.source_classes import class_of
from state.rules.source_kinds import beginnings, is_of
from state.rules.thread_descent import descendants_of
from state.transaction import SqlValue, Transaction, in_list

SORT_COLUMN = {
    ThreadSort.CREATED: "created_at_ms",
    ThreadSort.UPDATED: "updated_at_ms",
    ThreadSort.RECENCY: "recency_at_ms",
}
_INDEX = {ThreadSort.CREATED: "by_creation", ThreadSort.UPDATED: "by_update", ThreadSort.RECENCY: "by_recency"}

_LISTED = "preview <> '' AND is_file_gone = 0"
"""What is listed at all. Hidden, not deleted: a file that is away for a moment takes no names or memories with it."""

_HAS_TEXT = "(instr(title, :part) > 0 OR instr(coalesce(name, ''), :part) > 0)"

_TRIED_MAX = 200
_TRIED_IN_CWDS_MAX = 5_000
"""Threads whose titles are tried in the order of the page. Each is looked up; beside each other they cost a fifth."""

_IDS_MAX = 1_000
"""Threads that one branch names by their ids."""

_BRANCHES_MAX = 100
"""Groups that one statement merges; SQLite allows 500, and compiling takes as long as reading."""


@attrs.frozen(kw_only=True)
class _Branch:
    """A part of the threads: how to get at it, in SQL, and the parameters. is_whole: it is all of a group."""

    text: str
    parameters: dict[str, SqlValue]
    is_whole: bool = False


@attrs.frozen(kw_only=True)
class _Key:
    at_ms: int
    id: ThreadId


@attrs.frozen(kw_only=True)
class _Group:
    listing_group: str

    @property
    def provider_and_class(self) -> tuple[str, str]:
        """Taken apart again: archived or not, the length of the provider's name, the provider, the class."""
        _, length, rest = self.listing_group.split(":", 2)
        return rest[: int(length)], rest[int(length) :]


async def listed_ids(tx: Transaction, request: ThreadFilter, limit: int) -> list[ThreadId]:
    """The ids of the first `limit` threads that pass the filter behind its anchor, in order."""
    if () in (request.sources, request.model_providers, request.cwds) or request.source_kinds == frozenset():
        return []
    if request.parent_thread_id is not None or request.ancestor_thread_id is not None:
        groups, nested = [], await _branches_of_descendants(tx, request)
    else:
        groups, nested = await _branches_of_groups(tx, request), _branches_of_nested_sources(request)
    if not request.title_contains:
        return await _first(tx, request, [*groups, *nested], limit)
    tried_max = _TRIED_MAX if request.cwds is None else _TRIED_IN_CWDS_MAX
    tried = await _first_with_text(tx, request, [*groups, *nested], limit, tried_max)
    if tried is not None:
        return tried
    whole = [branch for branch in groups if branch.is_whole]
    parts = [branch for branch in groups if not branch.is_whole]
    branches = [*_branch_of_titles(request, whole), *parts, *nested]
    branches = [attrs.evolve(branch, text=f"{branch.text} AND {_HAS_TEXT}") for branch in branches]
    return await _first(tx, request, branches, limit)


async def _branches_of_groups(tx: Transaction, request: ThreadFilter) -> list[_Branch]:
    """A branch for each group, in each folder, that the filter lets through."""
    classes = None if request.sources is None else {one for one in request.sources if class_of(one) == one}
    branches: list[_Branch] = []
    for cwd in (None,) if request.cwds is None else dict.fromkeys(request.cwds):
        for group in await _groups(tx, cwd, archived=request.archived):
            provider, source_class = group.provider_and_class
            if request.model_providers is not None and provider not in request.model_providers:
                continue
            if classes is not None and source_class not in classes:
                continue
            begin_with = ("",) if request.source_kinds is None else beginnings(source_class, request.source_kinds)
            if not begin_with:
                continue
            number = len(branches)
            parameters: dict[str, SqlValue] = {f"group_{number}": group.listing_group}
            text = f"listing_group = :group_{number}"
            if cwd is not None:
                parameters[f"cwd_{number}"] = cwd
                text = f"cwd = :cwd_{number} AND {text}"
            is_whole = begin_with == ("",)
            if not is_whole:
                more: dict[str, SqlValue] = {f"begin_{number}_{n}": one for n, one in enumerate(begin_with)}
                text += f" AND ({' OR '.join(f'instr(source, :{name}) = 1' for name in more)})"
                parameters |= more
            index = f"{'threads_listed' if cwd is None else 'threads_of_cwd'}_{_INDEX[request.sort]}"
            text = f"INDEXED BY {index} WHERE {_LISTED} AND {text}"
            branches.append(_Branch(text=text, parameters=parameters, is_whole=is_whole))
    return branches


async def _groups(tx: Transaction, cwd: str | None, *, archived: bool) -> list[_Group]:
    """The groups that have threads (in this folder), each found by one step in the index from the one before."""
    index = "threads_listed_by_creation" if cwd is None else "threads_of_cwd_by_creation"
    behind = f"FROM threads n INDEXED BY {index} WHERE n.preview <> '' AND n.is_file_gone = 0"
    parameters: dict[str, SqlValue] = {"first": "1:" if archived else "0:", "end": "2:" if archived else "1:"}
    if cwd is not None:
        behind += " AND n.cwd = :cwd"
        parameters["cwd"] = cwd
    return await tx.all(
        _Group,
        "WITH RECURSIVE found (listing_group) AS ("
        f"SELECT min(n.listing_group) {behind} AND n.listing_group >= :first AND n.listing_group < :end"
        f" UNION ALL SELECT (SELECT min(n.listing_group) {behind} AND n.listing_group > found.listing_group"
        " AND n.listing_group < :end) FROM found WHERE found.listing_group IS NOT NULL)"
        " SELECT listing_group FROM found WHERE listing_group IS NOT NULL",
        **parameters,
    )


def _branches_of_nested_sources(request: ThreadFilter) -> list[_Branch]:
    """A branch for each source that the filter names and that is not a class by itself: few threads share one."""
    branches = []
    for number, source in enumerate(dict.fromkeys(request.sources or ())):
        if class_of(source) == source or (request.source_kinds is not None and not is_of(source, request.source_kinds)):
            continue
        text = (
            f"INDEXED BY threads_by_nested_source WHERE {_LISTED} AND source_class <> source"
            f" AND source = :source_{number} AND archived_at_ms IS {'NOT ' if request.archived else ''}NULL"
        )
        parameters: dict[str, SqlValue] = {f"source_{number}": source}
        for column, values in (("model_provider", request.model_providers), ("cwd", request.cwds)):
            if values is not None:
                wanted, more = in_list(f"{column}_of_{number}", values)
                text += f" AND {column} {wanted}"
                parameters |= more
        branches.append(_Branch(text=text, parameters=parameters))
    return branches


async def _branches_of_descendants(tx: Transaction, request: ThreadFilter) -> list[_Branch]:
    """The sub-agents below a thread that the filter lets through, by their ids."""
    parent = request.parent_thread_id
    ancestor = request.ancestor_thread_id if parent is None else parent
    assert ancestor is not None, "the caller has looked"
    ids = [
        one.id
        for one in await descendants_of(tx, ancestor, children_only=parent is not None)
        if request.source_kinds is None or is_of(one.source, request.source_kinds)
        if request.sources is None or one.source in request.sources
    ]
    branches: list[_Branch] = []
    for start in range(0, len(ids), _IDS_MAX):
        number = len(branches)
        wanted, parameters = in_list(f"below_{number}", ids[start : start + _IDS_MAX])
        text = f"WHERE {_LISTED} AND id {wanted} AND archived_at_ms IS {'NOT ' if request.archived else ''}NULL"
        for column, values in (("model_provider", request.model_providers), ("cwd", request.cwds)):
            if values is not None:
                allowed, more = in_list(f"{column}_below_{number}", values)
                text += f" AND {column} {allowed}"
                parameters |= more
        branches.append(_Branch(text=text, parameters=parameters))
    return branches


def _branch_of_titles(request: ThreadFilter, groups: Sequence[_Branch]) -> list[_Branch]:
    """The branches of groups as one, read from the index that holds the titles."""
    if not groups:
        return []
    names = {str(value) for one in groups for name, value in one.parameters.items() if name.startswith("group_")}
    text, parameters = in_list("title_group", sorted(names))
    text = f"INDEXED BY threads_listed_by_creation WHERE {_LISTED} AND listing_group {text}"
    if request.cwds is not None:
        wanted, more = in_list("title_cwd", request.cwds)
        text += f" AND cwd {wanted}"
        parameters |= more
    return [_Branch(text=text, parameters=parameters)]


def _merged(request: ThreadFilter, branches: Sequence[_Branch]) -> tuple[str, dict[str, SqlValue]]:
    """The statement that gives the keys of all branches, in the order of the listing, and its parameters."""
    column = SORT_COLUMN[request.sort]
    order, behind = ("ASC", ">") if request.direction is ThreadDirection.ASCENDING else ("DESC", "<")
    parameters: dict[str, SqlValue] = {}
    anchored = ""
    if request.anchor is not None:
        anchored = f" AND ({column}, id) {behind} (:anchor_at_ms, :anchor_id)"
        parameters |= {"anchor_at_ms": request.anchor.at_ms, "anchor_id": request.anchor.id}
    if request.excluded_ids:
        excluded, more = in_list("excluded", request.excluded_ids)
        anchored += f" AND NOT id {excluded}"
        parameters |= more
    parts = []
    for branch in branches:
        parts.append(f"SELECT {column} AS at_ms, id FROM threads {branch.text}{anchored}")
        parameters |= branch.parameters
    return f"{' UNION ALL '.join(parts)} ORDER BY at_ms {order}, id {order}", parameters


async def _first(tx: Transaction, request: ThreadFilter, branches: Sequence[_Branch], limit: int) -> list[ThreadId]:
    """The first `limit` threads of the branches."""
    keys: list[_Key] = []
    for start in range(0, len(branches), _BRANCHES_MAX):
        sql, parameters = _merged(request, branches[start : start + _BRANCHES_MAX])
        if request.title_contains:
            parameters["part"] = request.title_contains
        keys += await tx.all(_Key, f"{sql} LIMIT :limit", **parameters, limit=limit)
    return _in_order(request, keys, limit)


async def _first_with_text(
    tx: Transaction, request: ThreadFilter, branches: Sequence[_Branch], limit: int, tried_max: int
) -> list[ThreadId] | None:
    """The same, of those that have the text; None when trying the first `tried_max` of a statement did not tell."""
    order = "ASC" if request.direction is ThreadDirection.ASCENDING else "DESC"
    keys: list[_Key] = []
    for start in range(0, len(branches), _BRANCHES_MAX):
        sql, parameters = _merged(request, branches[start : start + _BRANCHES_MAX])
        tried = f"({sql} LIMIT :tried_max)"
        found = await tx.all(
            _Key,
            f"SELECT w.at_ms, w.id FROM {tried} w CROSS JOIN threads t ON t.id = w.id WHERE {_HAS_TEXT}"
            f" ORDER BY w.at_ms {order}, w.id {order} LIMIT :limit",
            **parameters,
            part=request.title_contains,
            tried_max=tried_max,
            limit=limit,
        )
        if len(found) < limit:
            count = await tx.count(f"SELECT count(*) FROM {tried}", **parameters, tried_max=tried_max)
            if count == tried_max:
                return None
        keys += found
    return _in_order(request, keys, limit)


def _in_order(request: ThreadFilter, keys: list[_Key], limit: int) -> list[ThreadId]:
    """The first `limit` of what several statements gave."""
    keys.sort(key=lambda key: (key.at_ms, key.id), reverse=request.direction is ThreadDirection.DESCENDING)
    return [key.id for key in keys[:limit]]
