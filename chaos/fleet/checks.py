"""What must be true after the faults: of acknowledgements, rows and files, and beside a run without faults.

Each check answers sentences, one for each violation. They know nothing of how the faults were made.
"""

import collections
import json
import os
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import apsw

from chaos.fleet.place import Place
from state.connection import open_reader
from state.messages.extraction import ATTEMPTS_MAX
from workers.consolidation.staging import digest_of, missing_file

ENDS = {
    "ExtractionFinished",
    "RetryScheduled",
    "DeadLettered",
    "Released",
    "ConsolidationPublished",
    "ConsolidationUnchanged",
}
"""Replies after which a token is worth nothing."""

CLAIMS = {"ExtractionClaimed", "ConsolidationClaimed", "BackfillClaimed"}


Rows = list[tuple[Any, ...]]


def _rows(connection: apsw.Connection, sql: str) -> Rows:
    return list(connection.execute(sql))


@contextmanager
def reading(database: Path) -> Iterator[apsw.Connection]:
    """A connection that only reads."""
    connection = open_reader(database)
    try:
        yield connection
    finally:
        connection.close(True)


def acknowledged(place: Place) -> dict[str, list[dict[str, Any]]]:
    """What each process was told. What it was told at one time may stand in any order; a line that a kill has cut was
    never told."""
    told: dict[str, list[dict[str, Any]]] = {}
    for file in sorted(place.acknowledgements.glob("*.jsonl")):
        told[file.stem] = []
        for line in file.read_bytes().split(b"\n"):
            try:
                told[file.stem].append(json.loads(line))
            except ValueError:
                continue
    return told


def check_acknowledgements(place: Place) -> list[str]:
    """One token, one end; one claim, one fencing number; and what was acknowledged is in the rows."""
    violations = []
    granted: dict[tuple[str, str], dict[int, set[str]]] = collections.defaultdict(lambda: collections.defaultdict(set))
    generations: dict[str, list[int]] = collections.defaultdict(list)
    scope_of: dict[str, str] = {}
    finished: set[str] = set()
    thread_of: dict[str, str] = {}
    ends: collections.Counter[str] = collections.Counter()
    for lines in acknowledged(place).values():
        for line in lines:
            token, reply = line["token"], line["reply"]
            if reply in CLAIMS:
                row = (reply, line["thread"] or line["scope"] or "the scan")
                granted[row][line["fencing_number"]].add(token)
                scope_of[token] = line["scope"] or ""
                thread_of[token] = line["thread"] or ""
            ends[token] += reply in ENDS
            # The record of a claim may be lost where a full disk was among the faults.
            if reply == "ConsolidationPublished" and token in scope_of:
                generations[scope_of[token]].append(line["generation"])
            if reply == "ExtractionFinished" and token in thread_of:
                finished.add(thread_of[token])
    violations += [
        f"{number} ends were acknowledged to the token {token}" for token, number in ends.items() if number > 1
    ]
    for (_, name), numbers in granted.items():
        violations += [
            f"{name}: {len(tokens)} tokens were granted with the fencing number {number}"
            for number, tokens in numbers.items()
            if len(tokens) > 1
        ]
    with reading(place.state_dir / "state.sqlite") as connection:
        violations += _missing_from_rows(connection, granted, generations, finished)
    return violations


def _missing_from_rows(
    connection: apsw.Connection,
    granted: dict[tuple[str, str], dict[int, set[str]]],
    generations: dict[str, list[int]],
    finished: set[str],
) -> list[str]:
    violations = []
    fencing = {("ExtractionClaimed", thread): number for thread, number in _rows(
        connection, "SELECT thread_id, max(fencing_number) FROM extraction_jobs GROUP BY thread_id")}  # fmt: skip
    rows = _rows(connection, "SELECT scope_kind || ':' || scope_key, fencing_number, generation FROM scopes")
    fencing |= {("ConsolidationClaimed", scope): number for scope, number, _ in rows}
    fencing |= {("BackfillClaimed", "the scan"): _rows(connection, "SELECT fencing_number FROM backfill")[0][0]}
    for row, numbers in granted.items():
        if max(numbers) > fencing.get(row, 0):
            violations.append(
                f"{row[1]}: fencing number {max(numbers)} was granted, and the row says {fencing.get(row)}"
            )
    current = {scope: generation for scope, _, generation in rows}
    for scope, acked in generations.items():
        if len(acked) != len(set(acked)):
            violations.append(f"{scope}: one generation was acknowledged twice: {sorted(acked)}")
        if max(acked) > current.get(scope, 0):
            violations.append(
                f"{scope}: generation {max(acked)} was acknowledged, and the row says {current.get(scope)}"
            )
    done = {
        thread
        for (thread,) in _rows(connection, "SELECT thread_id FROM extraction_jobs WHERE done_revision IS NOT NULL")
    }
    violations += [
        f"{thread}: its extraction was acknowledged and its row knows nothing of it" for thread in finished - done
    ]
    return violations


def check_rows(database: Path) -> list[str]:
    """The database is sound, nobody holds anything after an orderly end, and every job that failed says why."""
    with reading(database) as connection:
        violations = [
            f"the database is damaged: {finding}"
            for (finding,) in _rows(connection, "PRAGMA integrity_check(5)")
            if finding != "ok"
        ]
        for what, sql in (
            ("extraction jobs are still held",
             "SELECT count(*) FROM extraction_jobs WHERE ownership_token IS NOT NULL"),
            ("extraction jobs are stuck", "SELECT count(*) FROM extraction_jobs WHERE status = 'running'"),
            ("scopes are still held", "SELECT count(*) FROM scopes WHERE ownership_token IS NOT NULL"),
            ("scans are still held", "SELECT count(*) FROM backfill WHERE ownership_token IS NOT NULL"),
            ("jobs failed without a reason",
             "SELECT count(*) FROM extraction_jobs WHERE status IN ('retry', 'dead') AND coalesce(reason, '') = ''"),
            ("rows break a reference", "SELECT count(*) FROM pragma_foreign_key_check()"),
        ):  # fmt: skip
            ((number,),) = _rows(connection, sql)
            if number:
                violations.append(f"{number} {what}")
    return violations


def unsettled(database: Path) -> list[str]:
    """What still waits to be done; empty once everything is."""
    with reading(database) as connection:
        waiting = []
        for what, sql in (
            ("files to read", "SELECT count(*) FROM rollout_files WHERE status IN ('pending', 'failed')"),
            ("sessions to extract",
             "SELECT count(*) FROM extraction_jobs JOIN threads ON id = thread_id"
             " WHERE source = 'cli' AND status IN ('pending', 'running', 'retry')"),
            ("scopes to consolidate", "SELECT count(*) FROM scopes WHERE inputs_mark > consolidated_mark"),
        ):  # fmt: skip
            ((number,),) = _rows(connection, sql)
            if number:
                waiting.append(f"{number} {what}")
    return waiting


def dead_letters(database: Path) -> set[str]:
    """The threads whose job was given up."""
    with reading(database) as connection:
        return {
            thread for (thread,) in _rows(connection, "SELECT thread_id FROM extraction_jobs WHERE status = 'dead'")
        }


def check_poison(database: Path, poisoned: Collection[str]) -> list[str]:
    """Each poisoned session is a dead letter with a reason, after as many claims as a job gets."""
    with reading(database) as connection:
        rows = {
            thread: (status, attempts - given_back, reason)
            for thread, status, attempts, given_back, reason in _rows(
                connection, "SELECT thread_id, status, attempts, given_back, reason FROM extraction_jobs"
            )
        }
    return [
        f"{thread} kills its worker, and is no dead letter after {ATTEMPTS_MAX} claims: {rows.get(thread)}"
        for thread in sorted(poisoned)
        if thread not in rows or rows[thread][:2] != ("dead", ATTEMPTS_MAX) or not rows[thread][2]
    ]


def check_files(state_dir: Path) -> list[str]:
    """Every link names what its row says, and what it names is whole and what was published."""
    violations = []
    memories = state_dir / "memories"
    with reading(state_dir / "state.sqlite") as connection:
        rows = _rows(
            connection,
            "SELECT scope_kind, scope_key, generation_folder, published_digest FROM scopes WHERE generation > 0",
        )
    links = {os.path.realpath(link) for link in (*memories.glob("scopes/*"), memories / "current")}
    for kind, key, generation_folder, digest in rows:
        folder = memories / generation_folder
        name = key or kind
        if missing_file(folder) is not None:
            violations.append(f"{name}: {missing_file(folder)} is missing")
            continue
        if os.path.realpath(folder) not in links:
            violations.append(f"{name}: no link names {generation_folder}")
        files = {str(file.relative_to(folder)): file.read_text() for file in folder.rglob("*") if file.is_file()}
        if digest is not None and digest_of(files) != digest:
            violations.append(f"{name}: what is published is not what the row says")
    return violations


def compare(chaotic: Path, clean: Path, *, dead: set[str]) -> list[str]:
    """Index and memories are those of a run without faults; jobs that were given up are left out, with their scopes.

    content_revision counts how often a growing file was read, which is nobody's promise.
    """
    violations = []
    with reading(chaotic) as one, reading(clean) as other:
        scope_of: dict[str, str] = dict(_rows(one, "SELECT thread_id, scope_key FROM extraction_jobs"))
        dead_scopes = {scope_of[thread] for thread in dead}
        for what, sql in (
            ("threads", f"SELECT id, {_columns(one)} FROM threads"),  # names of columns
            ("files", "SELECT path, status, size_bytes, mtime_ns, archived, thread_id, offset_bytes, lines_skipped"
                      " FROM rollout_files WHERE status <> 'vanished'"),
            ("memories", "SELECT thread_id, scope_key, raw_memory, rollout_summary, source_at_ms FROM memories"),
            ("published projects", "SELECT scope_key, published_digest, published_memories FROM scopes"
                                   " WHERE scope_kind = 'cwd'"),
        ):  # fmt: skip
            has = {row[0]: row for row in _rows(one, sql)}
            wants = {row[0]: row for row in _rows(other, sql)}
            differs = [key for key in has.keys() | wants.keys() if has.get(key) != wants.get(key)]
            given_up = {"memories": dead, "published projects": dead_scopes}.get(what, set())
            differs = [key for key in differs if key not in given_up]
            if differs:
                example = min(differs)
                violations.append(
                    f"{len(differs)} {what} differ from a run without faults, e.g. {example}:"
                    f" {_difference(has.get(example), wants.get(example))}"
                )
    return violations


def _columns(connection: apsw.Connection) -> str:
    names = [name for (name,) in _rows(connection, "SELECT name FROM pragma_table_info('threads')")]
    return ", ".join(name for name in names if name != "content_revision")


def _difference(has: tuple[Any, ...] | None, wants: tuple[Any, ...] | None) -> str:
    if has is None or wants is None:
        return "missing here" if has is None else "only here"
    pairs = [(one, other) for one, other in zip(has, wants, strict=True) if one != other]
    return "; ".join(f"{str(one)[:80]!r} instead of {str(other)[:80]!r}" for one, other in pairs)
