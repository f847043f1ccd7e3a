"""What a pass writes, restores, removes and leaves alone."""

import os
import re
from pathlib import Path

import pytest

from tests.fakes.published_home import PublishedHome
from workers.publishing import Outcome, PublishError
from workers.publishing.home_files import HomeFiles
from workers.publishing.one_pass import Current

SUMMARY = "memories_v2/memory_summary.md"
INDEX = "memories_v2/MEMORY.md"


@pytest.fixture
def published(tmp_path: Path) -> PublishedHome:
    """A home and a state folder that nobody has used."""
    return PublishedHome.below(tmp_path)


@pytest.fixture
def one(published: PublishedHome) -> Current:
    """A first generation with two projects."""
    return published.generate("one", shop={"a": "1", "b": "2"}, mill={"c": "3"})


def reasons(outcome: Outcome) -> dict[str, str]:
    return {kept.path: kept.reason for kept in outcome.kept}


def test_every_path_that_the_index_leads_to_is_there(published: PublishedHome, one: Current) -> None:
    published.publish(one)
    folder = published.home / "memories_v2"
    leads = re.findall(r"scopes/\S+\.md", (folder / "MEMORY.md").read_text())

    assert leads == ["scopes/shop/MEMORY.md", "scopes/mill/MEMORY.md"]
    for lead in leads:
        index = folder / lead
        for deeper in re.findall(r"rollout_summaries/\S+\.md", index.read_text()):
            assert (index.parent / deeper).is_file()


def test_files_are_for_their_user_alone_and_raw_memories_stay_out(published: PublishedHome, one: Current) -> None:
    published.publish(one)

    for path, (mode, _) in published.tree().items():
        assert mode & 0o077 == 0, path
    assert not list(published.home.rglob("raw_memories.md"))


def test_second_pass_changes_nothing_and_writes_nothing(
    published: PublishedHome, one: Current, monkeypatch: pytest.MonkeyPatch
) -> None:
    published.publish(one)
    manifest = published.folder.publish_dir / "codex.json"
    before = manifest.stat().st_mtime_ns, published.tree()
    outcome = published.publish(one)

    assert (outcome.written, outcome.restored, outcome.removed, outcome.unchanged) == ((), (), (), 7)
    assert (manifest.stat().st_mtime_ns, published.tree()) == before


def test_the_summary_is_written_last_and_removed_first(
    published: PublishedHome, one: Current, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert published.publish(one).written[-2:] == (INDEX, SUMMARY)
    assert published.undo().removed[:2] == (SUMMARY, INDEX)


def test_what_was_deleted_is_put_back(published: PublishedHome, one: Current) -> None:
    published.publish(one)
    before = published.tree()
    (published.home / SUMMARY).unlink()
    for path in (published.home / "memories_v2/scopes/shop/rollout_summaries").iterdir():
        path.unlink()
    (published.home / "memories_v2/scopes/shop/rollout_summaries").rmdir()
    outcome = published.publish(one)

    assert len(outcome.restored) == 3
    assert outcome.written == ()
    assert published.tree() == before


def test_what_was_edited_is_never_overwritten_and_reported_each_time(published: PublishedHome, one: Current) -> None:
    published.publish(one)
    (published.home / INDEX).write_text("# mine\n")
    two = published.generate("two", shop={"a": "1"})
    for _ in range(2):
        outcome = published.publish(two)

        assert reasons(outcome) == {INDEX: "changed since memoryd wrote it"}
        assert (published.home / INDEX).read_text() == "# mine\n"
    assert "two" in (published.home / SUMMARY).read_text()
    assert reasons(published.undo()) == {INDEX: "changed since memoryd wrote it"}
    assert [path for path, (_, data) in published.tree().items() if data] == [INDEX]


def test_what_was_edited_and_moved_away_is_put_back(published: PublishedHome, one: Current) -> None:
    published.publish(one)
    (published.home / INDEX).write_text("# mine\n")
    published.publish(one)
    (published.home / INDEX).rename(published.home / "mine.md")

    assert published.publish(one).restored == (INDEX,)


@pytest.mark.parametrize("same", [False, True])
def test_a_file_that_memoryd_did_not_write_is_not_touched(published: PublishedHome, one: Current, same: bool) -> None:
    theirs = "v1\none\n" if same else "theirs"
    (published.home / "memories_v2").mkdir()
    (published.home / SUMMARY).write_text(theirs)
    outcome = published.publish(one)

    assert reasons(outcome) == {SUMMARY: "not written by memoryd"}
    published.undo()
    assert [path for path, (_, data) in published.tree().items() if data] == [SUMMARY]
    assert (published.home / SUMMARY).read_text() == theirs


def test_a_project_that_is_gone_goes_with_its_folders(published: PublishedHome, one: Current) -> None:
    published.publish(one)
    outcome = published.publish(published.generate("two", shop={"a": "1"}))

    assert set(outcome.removed) == {
        "memories_v2/scopes/mill/MEMORY.md",
        "memories_v2/scopes/mill/rollout_summaries/c.md",
        "memories_v2/scopes/shop/rollout_summaries/b.md",
    }
    assert not (published.home / "memories_v2/scopes/mill").exists()


def test_without_memories_nothing_stays_published(published: PublishedHome, one: Current) -> None:
    published.publish(one)
    published.publish(published.generate("nothing"))

    assert published.tree() == {}


def test_a_folder_that_somebody_else_uses_too_is_left_to_them(published: PublishedHome, one: Current) -> None:
    published.publish(one)
    (published.home / "memories_v2" / "extensions").mkdir()
    outcome = published.undo()

    assert outcome.kept == ()
    assert set(published.tree()) == {"memories_v2", "memories_v2/extensions"}
    assert not (published.folder.publish_dir / "codex.json").exists()


@pytest.mark.parametrize("folder", ["memories_v2", "memories_v2/scopes", "memories_v2/scopes/shop"])
def test_a_link_in_the_place_of_a_folder_leads_nowhere(
    published: PublishedHome, one: Current, tmp_path: Path, folder: str
) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (published.home / folder).parent.mkdir(parents=True, exist_ok=True)
    (published.home / folder).symlink_to(elsewhere)
    if folder == "memories_v2":
        with pytest.raises(PublishError, match="symbolic link"):
            published.publish(one)
    else:
        assert "symbolic link" in reasons(published.publish(one))["memories_v2/scopes/shop/MEMORY.md"]

    assert list(elsewhere.iterdir()) == []
    published.undo()
    assert (published.home / folder).is_symlink()


@pytest.mark.parametrize("kind", ["link", "folder", "fifo"])
def test_what_is_no_regular_file_is_left_alone(published: PublishedHome, one: Current, kind: str) -> None:
    path = published.home / SUMMARY
    path.parent.mkdir()
    if kind == "link":
        path.symlink_to("/etc/hostname")
    elif kind == "folder":
        path.mkdir()
    else:
        os.mkfifo(path)
    before = path.lstat()

    assert SUMMARY in reasons(published.publish(one))
    published.undo()
    assert path.lstat().st_ino == before.st_ino


def test_a_file_that_changes_between_the_look_and_the_write_is_kept(
    published: PublishedHome, one: Current, monkeypatch: pytest.MonkeyPatch
) -> None:
    published.publish(one)
    two = published.generate("two", shop={"a": "1"})
    look = HomeFiles.look

    def look_and_be_late(self: HomeFiles, path: str) -> object:
        found = look(self, path)
        if path == INDEX:
            (published.home / path).write_text("# mine, just now\n")
        return found

    monkeypatch.setattr(HomeFiles, "look", look_and_be_late)
    assert INDEX in reasons(published.publish(two))
    assert (published.home / INDEX).read_text() == "# mine, just now\n"
    monkeypatch.undo()
    assert reasons(published.publish(two)) == {INDEX: "changed since memoryd wrote it"}


def test_a_file_that_appears_between_the_look_and_the_write_is_kept(
    published: PublishedHome, one: Current, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_folder = HomeFiles.make_folder

    def make_folder_late(self: HomeFiles, path: str) -> None:
        make_folder(self, path)
        if path == "memories_v2":
            (published.home / SUMMARY).write_text("theirs")

    monkeypatch.setattr(HomeFiles, "make_folder", make_folder_late)
    assert SUMMARY in reasons(published.publish(one))
    assert (published.home / SUMMARY).read_text() == "theirs"
    published.undo()
    assert (published.home / SUMMARY).read_text() == "theirs"


def test_a_file_system_without_links_is_published_into_all_the_same(
    published: PublishedHome, one: Current, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_links(*arguments: object, **options: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", no_links)
    published.publish(one)

    assert (published.home / SUMMARY).read_text() == "v1\none\n"
    assert not list(published.home.rglob("*.tmp"))


@pytest.mark.parametrize(
    "damage", ["{", "[]", '{"format": 99}', '{"format": 1, "codex_home": "x", "files": {"../../etc/passwd": ["a"]}}']
)
def test_a_damaged_list_touches_nothing(published: PublishedHome, one: Current, damage: str) -> None:
    published.publish(one)
    before = published.tree()
    (published.folder.publish_dir / "codex.json").write_text(damage)
    with pytest.raises(PublishError, match="damaged"):
        published.publish(published.generate("two"))
    with pytest.raises(PublishError, match="damaged"):
        published.undo()

    assert published.tree() == before


def test_a_list_of_another_home_is_refused(published: PublishedHome, one: Current, tmp_path: Path) -> None:
    published.publish(one)
    other = PublishedHome(home=tmp_path / "other", folder=published.folder)
    other.home.mkdir()

    with pytest.raises(PublishError, match="belongs to the Codex home"):
        other.undo()


def test_undo_of_nothing_makes_nothing(published: PublishedHome) -> None:
    assert published.undo() == Outcome()
    assert not published.folder.publish_dir.exists()


def test_memories_that_are_gone_from_disk_are_said(published: PublishedHome, one: Current) -> None:
    published.publish(one)
    before = published.tree()
    two = published.generate("two", shop={"a": "1"})
    (published.folder.memories_dir / two.scopes[0].generation_folder / "MEMORY.md").unlink()

    with pytest.raises(PublishError, match="gone from disk"):
        published.publish(two)
    assert published.tree() == before
