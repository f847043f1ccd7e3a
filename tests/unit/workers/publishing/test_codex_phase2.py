"""A file of ours counts as Codex's work only when its content is in Codex's repository and its time in Codex's run."""

import hashlib
import os
import sqlite3
from pathlib import Path

import pytest

from tests.fakes.published_home import PublishedHome

SUMMARY = "memories_v2/memory_summary.md"
STARTED, FINISHED = 1_700_000_000, 1_700_000_060


def commit(home: Path, data: bytes) -> None:
    """Put the content into the repository as a loose object."""
    name = hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()
    path = home / "memories_v2/.git/objects" / name[:2] / name[2:]
    path.parent.mkdir(parents=True)
    path.write_bytes(b"compressed")


def jobs(home: Path, status: str = "done") -> None:
    """The job database as a running Codex leaves it: the row is in the write-ahead log only."""
    connection = sqlite3.connect(home / "memories_v2_1.sqlite")
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA wal_autocheckpoint = 0")
    connection.execute("CREATE TABLE jobs (kind TEXT, status TEXT, started_at INTEGER, finished_at INTEGER)")
    connection.execute("INSERT INTO jobs VALUES ('memory_consolidate_global', ?, ?, ?)", (status, STARTED, FINISHED))
    connection.commit()
    copies = {suffix: (home / f"memories_v2_1.sqlite{suffix}").read_bytes() for suffix in ("", "-wal")}
    connection.close()
    for suffix, data in copies.items():
        (home / f"memories_v2_1.sqlite{suffix}").write_bytes(data)


@pytest.mark.parametrize(
    ("committed", "status", "mtime_s", "is_codexs"),
    [
        (True, "done", STARTED, True),
        (True, "done", FINISHED, True),
        (True, "done", STARTED - 1, False),
        (True, "done", FINISHED + 1, False),
        (False, "done", STARTED, False),
        (True, "error", STARTED, False),
        (True, None, STARTED, False),
    ],
)
def test_only_sound_evidence_puts_a_version_aside(
    tmp_path: Path, committed: bool, status: str | None, mtime_s: int, is_codexs: bool
) -> None:
    published = PublishedHome.below(tmp_path)
    one = published.generate("one", shop={"a": "1"})
    published.publish(one)
    theirs = b"v1\nthe agent's\npassword=" + b"hunter2hunter2\n"
    if committed:
        commit(published.home, theirs)
    if status is not None:
        jobs(published.home, status)
    (published.home / SUMMARY).write_bytes(theirs)
    os.utime(published.home / SUMMARY, (mtime_s, mtime_s))
    others = {path: what for path, what in published.tree().items() if path != SUMMARY}
    outcome = published.publish(one)

    assert (outcome.restored == (SUMMARY,)) is is_codexs
    assert (len(outcome.kept) == 1) is not is_codexs
    assert ((published.home / SUMMARY).read_bytes() == theirs) is not is_codexs
    assert {path: what for path, what in published.tree().items() if path != SUMMARY} == others
    aside = list((published.folder.publish_dir / "displaced").glob(f"*/{SUMMARY}"))
    assert len(aside) == is_codexs
    for path in aside:
        assert "the agent's" in path.read_text()
        assert "hunter2" not in path.read_text()
    assert not (published.folder.publish_dir / "codex-jobs-copy").exists()


def test_file_that_became_larger_than_any_of_ours_is_left_alone_and_costs_only_itself(tmp_path: Path) -> None:
    published = PublishedHome.below(tmp_path)
    published.publish(published.generate("one", shop={"a": "1"}))
    os.truncate(published.home / SUMMARY, (16 << 20) + 1)
    outcome = published.publish(published.generate("two", shop={"a": "2"}))

    assert [kept.path for kept in outcome.kept] == [SUMMARY]
    assert outcome.written
