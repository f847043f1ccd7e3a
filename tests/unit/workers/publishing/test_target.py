"""Which folder is published to: the one that the next session reads, and never one that would change what it reads."""

from pathlib import Path

import pytest

from tests.fakes.published_home import PublishedHome
from workers.publishing.home_files import opened
from workers.publishing.manifest import Manifest, load
from workers.publishing.target import Target, choose

ON = "[features]\nmemories = true\n"


def chosen(home: Path, config: str | None, manifest: Manifest | None = None) -> Target:
    if config is not None:
        (home / "config.toml").write_text(config)
    with opened(home) as files:
        return choose(files, manifest or Manifest(codex_home=str(home)))


@pytest.mark.parametrize(
    ("config", "there", "folder"),
    [
        (ON + '[memories]\nversion = "v1"\n', False, "memories"),
        (ON + '[memories]\nversion = "v2"\n', True, "memories_v2"),
        (ON, False, "memories_v2"),
        (ON, True, "memories"),
    ],
)
def test_the_configuration_decides_and_else_what_is_there(
    tmp_path: Path, config: str, there: bool, folder: str
) -> None:
    if there:
        (tmp_path / "memories").mkdir()

    assert chosen(tmp_path, config) == Target(folder=folder)


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ("[memories\n", "cannot be read"),
        ("\udcff", "cannot be read"),
        (ON + '[memories]\nversion = "v9"\n', "'v9', which memoryd does not know"),
        (ON + "[memories]\nuse_memories = false\n", "use_memories = false"),
        ("", "features.memories = true"),
        ("features = 3\nmemories = []\n", "features.memories = true"),
        (None, "features.memories = true"),
    ],
)
def test_what_is_odd_about_the_configuration_is_said_and_taken_as_unset(
    tmp_path: Path, config: str | None, words: str
) -> None:
    if config is not None:
        (tmp_path / "config.toml").write_bytes(config.encode(errors="surrogateescape"))
    target = chosen(tmp_path, None)

    assert target.folder == "memories_v2"
    assert any(words in note for note in target.notes)


def test_a_version_that_changes_moves_the_files(tmp_path: Path) -> None:
    home = PublishedHome.below(tmp_path)
    (home.home / "config.toml").write_text(ON + '[memories]\nversion = "v1"\n')
    one = home.generate("one", shop={"a": "1"})
    home.publish(one)
    (home.home / "config.toml").write_text(ON)
    outcome = home.publish(one)

    assert outcome.folder == "memories_v2"
    assert not (home.home / "memories").exists()
    assert (home.home / "memories_v2" / "memory_summary.md").is_file()


def test_a_v1_folder_of_ours_in_which_codex_works_by_now_is_codexs(tmp_path: Path) -> None:
    home = PublishedHome.below(tmp_path)
    (home.home / "config.toml").write_text(ON + '[memories]\nversion = "v1"\n')
    one = home.generate("one", shop={"a": "1"})
    home.publish(one)
    (home.home / "memories" / "raw_memories.md").write_text("# Raw Memories\n")
    (home.home / "config.toml").write_text(ON)

    assert home.publish(one).folder == "memories"
    assert "memories" in load(home.folder.publish_dir, home.home).folders


def test_a_configuration_that_is_half_saved_moves_nothing(tmp_path: Path) -> None:
    published = Manifest(codex_home=str(tmp_path), folder="memories")

    assert chosen(tmp_path, '[memories]\nversion = "v1\n', published).folder == "memories"
