"""Writing a generation: all of it or nothing, and never twice."""

import os
import stat
from pathlib import Path

import pytest

from workers.consolidation import staging
from workers.consolidation.staging import digest_of, generation_folder, remove_older_generations, stage

FILES = {"MEMORY.md": "what holds\n", "rollout_summaries/a.md": "ä session\n"}
FOLDER = "generations/shop-1/00000007-abcdef12"


def folders(memories_dir: Path) -> list[str]:
    """The generations that are there."""
    return sorted(path.name for path in (memories_dir / FOLDER).parent.iterdir())


def test_all_files_are_written_for_their_user_alone(tmp_path: Path) -> None:
    stage(tmp_path, FOLDER, FILES)

    target = tmp_path / FOLDER
    assert {str(path.relative_to(target)): path.read_text() for path in target.rglob("*.md")} == FILES
    assert stat.S_IMODE(target.stat().st_mode) == 0o700
    assert all(stat.S_IMODE(path.stat().st_mode) == 0o600 for path in target.rglob("*.md"))


def test_every_file_and_every_folder_on_the_way_is_synced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: set[Path] = set()
    sync = os.fsync

    def note(descriptor: int) -> None:
        synced.add(Path(os.readlink(f"/proc/self/fd/{descriptor}")))
        sync(descriptor)

    monkeypatch.setattr(os, "fsync", note)
    stage(tmp_path, FOLDER, FILES)

    target = tmp_path / FOLDER
    assert synced == {
        *(target / name for name in FILES),
        target,
        target / "rollout_summaries",
        target.parent,
        target.parent.parent,
        tmp_path,
    }


@pytest.mark.parametrize("failing", range(7))
def test_disk_that_fails_at_any_sync_leaves_no_half_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failing: int
) -> None:
    syncs = 0

    def fail(_descriptor: int) -> None:
        nonlocal syncs
        syncs += 1
        if syncs == failing + 1:
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", fail)

    with pytest.raises(OSError, match="No space left"):
        stage(tmp_path, FOLDER, FILES)
    assert folders(tmp_path) == []


def test_folder_is_never_written_twice(tmp_path: Path) -> None:
    stage(tmp_path, FOLDER, FILES)

    with pytest.raises(FileExistsError):
        stage(tmp_path, FOLDER, {"MEMORY.md": "forged\n"})
    assert (tmp_path / FOLDER / "MEMORY.md").read_text() == "what holds\n"


def test_folder_is_named_after_the_claim() -> None:
    assert generation_folder("shop-1", 7, "abcdef1234567890") == FOLDER
    names = [generation_folder("shop-1", number, "token") for number in (1, 9, 10, 99_999_999)]
    assert names == sorted(names)


def test_equal_digests_mean_equal_files() -> None:
    assert digest_of(FILES) == digest_of(dict(reversed(FILES.items())))
    different = [
        {},
        {"a": ""},
        {"a": "b"},
        {"ab": ""},
        {"a": "", "b": ""},
        {"b": "a"},
        {"a": "b", "c": "d"},
        {"a": "bc", "d": ""},
    ]
    assert len({digest_of(files) for files in different}) == len(different)


def make(memories_dir: Path, *names: str) -> None:
    """Let these generations be there."""
    for name in names:
        stage(memories_dir, f"generations/shop-1/{name}", FILES)


def test_current_generation_and_the_one_before_it_are_kept(tmp_path: Path) -> None:
    make(tmp_path, "00000001-aa", "00000002-bb", "00000003-cc")

    remove_older_generations(tmp_path, "generations/shop-1/00000003-cc")

    assert folders(tmp_path) == ["00000002-bb", "00000003-cc"]


def test_folder_of_a_later_claim_is_left_to_its_owner_until_a_later_one_is_current(tmp_path: Path) -> None:
    make(tmp_path, "00000001-aa", "00000002-bb", "00000003-cc")

    remove_older_generations(tmp_path, "generations/shop-1/00000002-bb")
    remove_older_generations(tmp_path, "generations/shop-1/00000002-bb")
    assert folders(tmp_path) == ["00000001-aa", "00000002-bb", "00000003-cc"]

    make(tmp_path, "00000004-dd", "00000005-ee")
    remove_older_generations(tmp_path, "generations/shop-1/00000005-ee")

    assert folders(tmp_path) == ["00000004-dd", "00000005-ee"]


def test_only_generation_is_kept(tmp_path: Path) -> None:
    make(tmp_path, "00000001-aa")

    remove_older_generations(tmp_path, "generations/shop-1/00000001-aa")

    assert folders(tmp_path) == ["00000001-aa"]


def test_generations_of_other_scopes_are_left_alone(tmp_path: Path) -> None:
    make(tmp_path, "00000001-aa", "00000002-bb", "00000003-cc")
    stage(tmp_path, "generations/blog-2/00000001-aa", FILES)

    remove_older_generations(tmp_path, "generations/shop-1/00000003-cc")

    assert (tmp_path / "generations/blog-2/00000001-aa" / "MEMORY.md").exists()
    assert staging.KEEP_GENERATIONS == 2
