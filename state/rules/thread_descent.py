"""Which threads are sub-agents of a thread, and of these, and so on.

A sub-agent's source names its parent. Writers put the parent's id first, so a thread's sub-agents lie side by side in
the index of nested sources. The few whose source is written otherwise lie on either side of all these, and are tried
one by one.
"""

from collections.abc import Sequence

import attrs

from state.ids import ThreadId
from state.transaction import SqlValue, Transaction, in_list

_SPAWNED = '{"subagent":{"thread_spawn":{'
_BY_PARENT = f'{_SPAWNED}"parent_thread_id":"'

_PARENTS_MAX = 100
"""Parents in one statement; SQLite allows 500 parts, and compiling takes as long as reading."""


@attrs.frozen(kw_only=True)
class Descendant:
    """A sub-agent and its source."""

    id: ThreadId
    source: str


async def descendants_of(tx: Transaction, ancestor: ThreadId, *, children_only: bool) -> list[Descendant]:
    """The sub-agents below a thread, each once and never the thread itself, in no order."""
    found: dict[ThreadId, Descendant] = {}
    parents: Sequence[ThreadId] = [ancestor]
    while parents:
        children: list[Descendant] = []
        for start in range(0, len(parents), _PARENTS_MAX):
            children += await _children_of(tx, parents[start : start + _PARENTS_MAX])
        new = {child.id: child for child in children if child.id not in found and child.id != ancestor}
        found |= new
        parents = [] if children_only else list(new)
    return list(found.values())


async def _children_of(tx: Transaction, parents: Sequence[ThreadId]) -> list[Descendant]:
    index = "SELECT id, source FROM threads INDEXED BY threads_by_nested_source WHERE source_class <> source"
    parameters: dict[str, SqlValue] = {}
    parts = []
    for number, parent in enumerate(parents):
        parts.append(f"{index} AND source >= :begin_{number} AND source < :end_{number}")
        beginning = f"{_BY_PARENT}{parent}"
        parameters |= {f"begin_{number}": f'{beginning}"', f"end_{number}": f"{beginning}#"}
    wanted, more = in_list("parent", parents)
    for low, high in (("spawned", "usual"), ("usual_end", "spawned_end")):
        parts.append(f"{index} AND source >= :{low} AND source < :{high} AND parent_thread_id {wanted}")
    bounds: dict[str, SqlValue] = {
        "spawned": _SPAWNED,
        "usual": _BY_PARENT,
        "usual_end": f"{_BY_PARENT[:-1]}#",
        "spawned_end": f"{_SPAWNED[:-1]}|",
    }
    return await tx.all(Descendant, " UNION ALL ".join(parts), **parameters, **more, **bounds)
