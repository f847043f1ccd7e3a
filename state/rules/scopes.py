"""Scopes: when one is dirty, and which folder holds its files.

A scope is dirty exactly while inputs_mark > consolidated_mark. Marks only grow: a memory saved during a consolidation
leaves the scope dirty, because the claim covers only the mark that it saw.
"""

import hashlib
import re

from state.ids import Scope, ThreadId
from state.messages.consolidation import HOME_SCOPE
from state.transaction import Transaction

CWD_KIND = "cwd"


async def mark_scope_dirty(tx: Transaction, scope: Scope) -> None:
    """Say that the scope's memories changed; the scope gets its row if it has none."""
    await tx.execute(
        "INSERT INTO scopes (scope_kind, scope_key, inputs_mark, consolidated_mark, generation, published_memories,"
        " attempts, fencing_number) VALUES (:kind, :key, 1, 0, 0, 0, 0, 0)"
        " ON CONFLICT (scope_kind, scope_key) DO UPDATE SET inputs_mark = scopes.inputs_mark + 1",
        kind=scope.kind,
        key=scope.key,
    )


async def mark_scopes_of_thread_dirty(tx: Transaction, thread_id: ThreadId, cwd: str) -> None:
    """Say that what may be remembered of a thread has changed: its working folder's scope, if that is known, and
    every other scope that has a memory of the thread."""
    scopes = await tx.all(
        Scope,
        "SELECT DISTINCT scope_kind AS kind, scope_key AS key FROM memories WHERE thread_id = :thread_id",
        thread_id=thread_id,
    )
    # One after the other by their keys: no single statement finds them all without looking at every scope.
    for scope in dict.fromkeys((Scope(kind=CWD_KIND, key=cwd), *scopes)):
        await tx.execute(
            "UPDATE scopes SET inputs_mark = inputs_mark + 1 WHERE scope_kind = :kind AND scope_key = :key",
            kind=scope.kind,
            key=scope.key,
        )


def scope_folder(scope: Scope) -> str:
    """Name the scope's folder: a readable part and a hash of the exact key, so that no two scopes share one.

    >>> scope_folder(Scope(kind="cwd", key="/home/ann/Web Shop"))
    'web-shop-0f1256e270'
    """
    if scope == HOME_SCOPE:
        return "home"
    last = scope.key.rstrip("/").rpartition("/")[2]
    slug = re.sub(r"[^a-z0-9]+", "-", last.lower()).strip("-")[:40].strip("-") or "root"
    digest = hashlib.blake2b(f"{scope.kind}\0{scope.key}".encode(), digest_size=5).hexdigest()
    return f"{slug}-{digest}"


def scope_link(scope: Scope) -> str:
    """The path, relative to the memories folder, that always names the scope's current generation."""
    return "current" if scope == HOME_SCOPE else f"scopes/{scope_folder(scope)}"
