"""The journal in its file: what comes to disk and when, and what is read back from a file that somebody hurt."""

import json
import os
import stat
from pathlib import Path

import pytest

from state.journal import FileJournal, JournalError
from state.transaction import Edit, JournalEntry


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the journal will be."""
    return tmp_path / "edits.jsonl"


def said(at_ms: int, thread: str = "thread-1", **values: str | None) -> JournalEntry:
    """What one request said."""
    return JournalEntry(thread_id=thread, edited_at_ms=at_ms, values=values)


def values_of(path: Path, thread: str = "thread-1") -> dict[str, str | None]:
    """What a process that knows nothing yet reads of a thread."""
    return {field: edit.value for field, edit in FileJournal(path).edits_of(thread).items()}


def test_missing_journal_says_nothing(path: Path) -> None:
    assert FileJournal(path).edits_of("thread-1") == {}
    assert not path.exists()


def test_entry_is_one_line_that_another_process_reads(path: Path) -> None:
    FileJournal(path).append(said(5, title="the login", git_branch=None))

    assert json.loads(path.read_text()) == {
        "thread_id": "thread-1",
        "edited_at_ms": 5,
        "values": {"title": "the login", "git_branch": None},
    }
    assert FileJournal(path).edits_of("thread-1") == {
        "title": Edit(value="the login", edited_at_ms=5),
        "git_branch": Edit(value=None, edited_at_ms=5),
    }


def test_last_entry_of_each_field_wins_even_if_its_clock_was_behind(path: Path) -> None:
    journal = FileJournal(path)
    journal.append(said(9, title="one", name="n"))
    journal.append(said(2, title="two"))

    assert values_of(path) == {"title": "two", "name": "n"}


def test_threads_that_something_is_said_of_are_told_among_others(path: Path) -> None:
    FileJournal(path).append(said(5, title="one"))

    assert FileJournal(path).named_among(["thread-0", "thread-1"]) == {"thread-1"}


def test_entry_that_is_there_twice_says_nothing_new(path: Path) -> None:
    journal = FileJournal(path)
    for _ in range(2):
        journal.append(said(5, title="one"))

    assert values_of(path) == {"title": "one"}


def test_deleted_thread_has_no_edits_but_those_said_since(path: Path) -> None:
    journal = FileJournal(path)
    journal.append(said(1, title="one", name="n"))
    journal.append(said(1, thread="thread-2", title="other"))
    journal.append(said(2))
    assert values_of(path) == {}

    journal.append(said(3, name="again"))
    assert values_of(path) == {"name": "again"}
    assert values_of(path, "thread-2") == {"title": "other"}


def test_nothing_of_a_deleted_thread_stays_in_the_file_and_everything_else_does(path: Path) -> None:
    journal = FileJournal(path)
    journal.append(said(1, title="secret plan"))
    journal.append(said(1, thread="thread-2", title="other"))
    with path.open("ab") as file:
        file.write(b"of a newer version\n")
    journal.append(said(2, name="secret plan"))
    journal.append(said(3))

    lines = path.read_bytes().splitlines()
    assert [b"thread-2" in lines[0], lines[1:]] == [True, [b"of a newer version"]]
    assert [entry.name for entry in path.parent.iterdir()] == [path.name]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_deletion_is_seen_by_a_process_that_read_before(path: Path) -> None:
    journal, other = FileJournal(path), FileJournal(path)
    journal.append(said(1, title="one"))
    journal.append(said(1, thread="thread-2", title="other"))
    assert other.edits_of("thread-1")

    journal.append(said(2))

    assert other.edits_of("thread-1") == {}
    assert other.edits_of("thread-2")["title"].value == "other"


def test_file_that_got_the_number_of_the_one_before_is_read_anew(path: Path) -> None:
    journal = FileJournal(path)
    journal.append(said(1, title="secret plan"))
    journal.append(said(1, thread="thread-2", title="other"))
    inode = path.stat().st_ino
    assert journal.edits_of("thread-1")

    # As two deletions leave it where the system gives the free number to the next file.
    path.write_bytes(b"")
    FileJournal(path).append(said(2, thread="thread-2", title="another, so long that the file is no shorter " * 9))
    assert path.stat().st_ino == inode

    assert journal.edits_of("thread-1") == {}
    assert journal.edits_of("thread-2")["title"].edited_at_ms == 2


def test_entry_that_would_not_be_read_back_is_refused(path: Path) -> None:
    with pytest.raises(JournalError, match="thread-1 is longer than 1048576 bytes"):
        FileJournal(path).append(said(1, title="x" * (1 << 20)))
    assert not path.exists()


def test_deletion_where_nothing_was_said_makes_no_file(path: Path) -> None:
    FileJournal(path).append(said(1))

    assert not path.exists()


def test_rewrite_that_was_killed_leaves_the_journal_as_it_was(path: Path) -> None:
    FileJournal(path).append(said(1, title="one"))
    path.with_name("edits.jsonl.new").write_text("half a li")

    assert values_of(path) == {"title": "one"}
    FileJournal(path).append(said(2))
    assert values_of(path) == {}
    assert path.read_bytes() == b""


def test_process_sees_what_another_one_appended_since_it_looked(path: Path) -> None:
    mine, other = FileJournal(path), FileJournal(path)
    mine.append(said(1, title="one"))
    assert mine.edits_of("thread-1")["title"].value == "one"

    other.append(said(2, title="two"))
    assert mine.edits_of("thread-1")["title"].value == "two"


def test_file_that_was_cut_or_replaced_is_read_anew(path: Path) -> None:
    journal = FileJournal(path)
    journal.append(said(1, title="one"))
    journal.append(said(1, name="n"))
    assert set(journal.edits_of("thread-1")) == {"title", "name"}

    os.truncate(path, 0)
    assert journal.edits_of("thread-1") == {}

    path.rename(path.with_name("old"))
    FileJournal(path).append(said(2, title="a longer title than any before, so that the size alone tells nothing"))
    assert set(journal.edits_of("thread-1")) == {"title"}

    path.unlink()
    assert journal.edits_of("thread-1") == {}


@pytest.mark.parametrize("torn_bytes", [1, 10, 40])
def test_line_that_its_writer_tore_costs_itself_and_not_the_next_one(path: Path, torn_bytes: int) -> None:
    journal = FileJournal(path)
    journal.append(said(1, title="one"))
    journal.append(said(2, title="lost"))
    os.truncate(path, path.stat().st_size - torn_bytes)

    # Without its line feed a line is still whole.
    assert values_of(path) == {"title": "one" if torn_bytes > 1 else "lost"}
    journal.append(said(3, name="kept"))
    assert values_of(path)["name"] == "kept"
    assert path.read_bytes().endswith(b"\n")


@pytest.mark.parametrize(
    "garbage",
    [
        b"not JSON",
        b"\xff\xfe",
        b"",
        b"[]",
        b'{"thread_id": "thread-1", "edited_at_ms": 1}',
        b'{"thread_id": "thread-1", "edited_at_ms": 1, "values": {"title": 7}}',
        b'{"thread_id": "thread-1", "edited_at_ms": "x", "values": {}}',
        b'{"thread_id": "thread-1", "edited_at_ms": 1, "values": {"title": "' + b"x" * (2 << 20) + b'"}}',
    ],
)
def test_line_that_is_not_understood_costs_that_line(path: Path, garbage: bytes) -> None:
    journal = FileJournal(path)
    journal.append(said(1, title="one"))
    with path.open("ab") as file:
        file.write(garbage + b"\n")
    journal.append(said(2, name="n"))

    assert values_of(path) == {"title": "one", "name": "n"}


def test_keys_of_a_newer_version_do_no_harm(path: Path) -> None:
    path.write_text(
        '{"thread_id":"thread-1","edited_at_ms":1,"values":{"title":"one","mood":"good"},"why":"because"}\n'
    )

    assert values_of(path) == {"title": "one", "mood": "good"}


def test_journal_is_for_its_owner_alone(path: Path) -> None:
    FileJournal(path).append(said(1, title="one"))
    assert stat.S_IMODE(path.stat().st_mode) == 0o600

    path.chmod(0o644)
    FileJournal(path).append(said(1, title="one"))
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_link_in_its_place_is_not_followed(path: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").write_text("")
    path.symlink_to(tmp_path / "elsewhere")

    with pytest.raises(JournalError, match="cannot write"):
        FileJournal(path).append(said(1, title="one"))
    with pytest.raises(JournalError, match="cannot read"):
        FileJournal(path).edits_of("thread-1")
    assert (tmp_path / "elsewhere").read_text() == ""


@pytest.mark.parametrize("fails", ["write", "fsync"])
def test_entry_that_did_not_reach_the_disk_is_taken_back_and_said(
    path: Path, monkeypatch: pytest.MonkeyPatch, fails: str
) -> None:
    journal = FileJournal(path)
    journal.append(said(1, title="one"))
    whole_write = os.write

    def fail(descriptor: int, data: bytes = b"") -> int:
        if data:
            whole_write(descriptor, data[:10])
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, fails, fail)
        with pytest.raises(JournalError, match="No space left on device"):
            journal.append(said(2, title="two"))

    assert values_of(path) == {"title": "one"}
    assert len(path.read_bytes().splitlines()) == 1
