"""Where things are: given paths win over the environment, and that over the platform's defaults."""

import os
from pathlib import Path

import pytest

from config import ConfigError, resolve


@pytest.fixture(autouse=True)
def platform(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The person's home and the platform's folders lie below tmp_path."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))


@pytest.fixture
def codex_home(tmp_path: Path) -> Path:
    """A Codex home that exists."""
    home = tmp_path / "My Codex"
    home.mkdir()
    return home


def test_codex_home_is_the_given_one_else_the_environments_else_the_usual_one(tmp_path: Path, codex_home: Path) -> None:
    other = tmp_path / "other"

    assert resolve({"CODEX_HOME": str(other)}, codex_home=codex_home).codex_home == codex_home
    assert resolve({"CODEX_HOME": str(other)}).codex_home == other
    assert resolve({"CODEX_HOME": ""}).codex_home == tmp_path / ".codex"
    assert resolve({}, codex_home=Path("~/.codex")).codex_home == tmp_path / ".codex"


def test_codex_home_is_its_real_path(tmp_path: Path, codex_home: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(codex_home)

    assert resolve({}, codex_home=link) == resolve({}, codex_home=codex_home)


def test_file_is_no_codex_home(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()

    with pytest.raises(ConfigError, match="is not a folder"):
        resolve({}, codex_home=file)


def test_state_of_a_home_lies_in_a_folder_of_its_own(tmp_path: Path, codex_home: Path) -> None:
    state = resolve({}, codex_home=codex_home).state_dir
    elsewhere = tmp_path / "elsewhere" / "My Codex"

    assert state.parent == tmp_path / "state" / "memoryd" / "homes"
    assert state.name.startswith("my-codex-")
    assert resolve({}, codex_home=elsewhere).state_dir != state
    assert resolve({}, codex_home=codex_home).state_dir == state


@pytest.mark.parametrize("name", ["...", "日本", "x" * 200, "a b"])
def test_any_home_gives_one_plain_folder_name(tmp_path: Path, name: str) -> None:
    state = resolve({}, codex_home=tmp_path / name).state_dir

    assert state.parent.name == "homes"
    assert state.name.isascii()
    assert len(state.name) <= 60
    assert not state.name.startswith(("-", "."))


def test_home_whose_name_is_not_utf_8_has_a_folder_too(tmp_path: Path) -> None:
    assert resolve({}, codex_home=tmp_path / os.fsdecode(b"\xff")).state_dir.name.startswith("home-")


def test_environment_moves_the_state_of_all_homes_and_a_given_folder_is_one_homes(
    tmp_path: Path, codex_home: Path
) -> None:
    environment = {"MEMORYD_HOME": str(tmp_path / "moved")}

    assert resolve(environment, codex_home=codex_home).state_dir.parent == tmp_path / "moved" / "homes"
    assert resolve(environment, codex_home=codex_home, state_dir=tmp_path / "mine").state_dir == tmp_path / "mine"


def test_paths_are_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("my.toml").touch()

    paths = resolve({}, codex_home=Path("codex"), state_dir=Path("../state/."), config_file=Path("my.toml"))

    assert paths.codex_home == tmp_path / "codex"
    assert paths.state_dir == tmp_path.parent / "state"
    assert paths.config_file == tmp_path / "my.toml"


def test_configuration_is_the_given_one_else_the_environments_else_the_platforms(tmp_path: Path) -> None:
    usual = tmp_path / "config" / "memoryd" / "config.toml"
    mine, theirs = tmp_path / "mine.toml", tmp_path / "theirs.toml"
    mine.touch()
    theirs.touch()

    assert (resolve({}).config_file, resolve({}).config_exists) == (usual, False)
    usual.parent.mkdir(parents=True)
    usual.touch()
    assert resolve({}).config_exists is True
    assert resolve({"MEMORYD_CONFIG": str(theirs)}).config_file == theirs
    assert resolve({"MEMORYD_CONFIG": str(theirs)}, config_file=mine).config_file == mine
    assert resolve({"MEMORYD_CONFIG": "~/mine.toml"}).config_file == mine


@pytest.mark.parametrize("by", ["flag", "environment"])
def test_configuration_that_was_named_must_be_there(tmp_path: Path, by: str) -> None:
    missing = tmp_path / "missing.toml"
    environment = {"MEMORYD_CONFIG": str(missing)} if by == "environment" else {}

    with pytest.raises(ConfigError, match="there is no configuration file"):
        resolve(environment, config_file=missing if by == "flag" else None)


def test_everything_of_a_home_lies_in_its_state_folder(tmp_path: Path) -> None:
    paths = resolve({}, state_dir=tmp_path / "mine")

    assert paths.state_db == tmp_path / "mine" / "state.sqlite"
    assert paths.memories_dir == tmp_path / "mine" / "memories"


def test_resolving_makes_nothing(tmp_path: Path) -> None:
    resolve({})

    assert list(tmp_path.iterdir()) == []
