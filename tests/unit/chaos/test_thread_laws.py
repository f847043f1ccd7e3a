"""Laws about threads: what each lets pass, and what not."""

from pathlib import Path
from typing import Any

import attrs

from chaos import thread_laws
from chaos.rows import File, Job, Lease, Rows, Thread
from chaos.step import Ledger, Step

A, B = "sessions/a.jsonl", "sessions/b.jsonl"
JOB = Job("running", 1, 0, 1, None, None, None, "/shop")
FREE = Lease(None, None, None, 4, None, None, None)
HELD = Lease("ann", "slot", "token-a", 4, "boot", 61_000, 1_000)


def rows(**more: Any) -> Rows:
    """Nothing, and whatever else is said."""
    fields = ("leases", "jobs", "scopes", "memories", "revisions", "files", "threads")
    return Rows(**{field: more.get(field, {}) for field in fields}, processes=frozenset())


def step(before: Rows, after: Rows) -> Step:
    """What one request of bob made of them."""
    return Step(
        before=before,
        after=after,
        actor="bob",
        living=frozenset({"ann", "bob"}),
        boot_ms=10_000,
        boot_id="boot",
        memories_dir=Path("/nowhere"),
        ledger=Ledger(),
        asked=((object(), None),),
    )


def test_revision_grows_with_the_content_and_never_by_itself() -> None:
    before = rows(revisions={"t": 1}, threads={"t": Thread(A, "one")})

    def broken(revision: int, digest: str) -> bool:
        after = rows(revisions={"t": revision}, threads={"t": Thread(A, digest)})
        return bool(list(thread_laws.a_revision_grows_by_new_content_alone(step(before, after))))

    assert not broken(2, "two")
    assert not broken(1, "one")
    assert broken(2, "one")
    assert broken(1, "two")


def test_thread_is_its_best_file() -> None:
    def broken(path: str, **files: tuple[str, int]) -> bool:
        places = {"a": A, "b": B}
        held = {places[key]: File(status, 1, 1, "t", None, None, archived) for key, (status, archived) in files.items()}
        after = rows(files=held, threads={"t": Thread(path, "one")}, revisions={"t": 1})
        return bool(list(thread_laws.a_thread_is_its_best_file(step(rows(), after))))

    assert not broken(B, a=("shadowed", 0), b=("indexed", 0))
    assert not broken(A, a=("indexed", 0), b=("shadowed", 1))
    assert not broken(A, a=("indexed", 0), b=("vanished", 0))
    assert broken(A, a=("shadowed", 0), b=("indexed", 0)), "the row is of the other file"
    assert broken(B, a=("shadowed", 0), b=("indexed", 1)), "an archived file goes before an active one"
    assert broken(B, a=("indexed", 0), b=("indexed", 0)), "there are two"


def test_job_that_moves_loses_its_owner() -> None:
    key = ("extraction", "t")
    before = rows(jobs={"t": JOB}, leases={key: HELD})
    moved = rows(jobs={"t": JOB._replace(scope_key="/blog")}, leases={key: HELD})

    assert list(thread_laws.a_moved_job_is_nobodys(step(before, moved)))
    freed = attrs.evolve(moved, leases={key: FREE})
    assert not list(thread_laws.a_moved_job_is_nobodys(step(before, freed)))
    assert thread_laws.has_moved(step(before, freed), key)
    assert not thread_laws.has_moved(step(before, before), key)
