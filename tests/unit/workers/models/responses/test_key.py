"""Where the key comes from, and which file may not hold it."""

import os
import random
from pathlib import Path

import pytest

from config import ConfigError
from config.responses import ResponsesSettings
from examples.fake_secrets import fake_secrets
from workers.models.responses.key import KEY_BYTES_MAX, api_key

KEY = fake_secrets(random.Random(11)).model_api_key
LOCAL = "http://127.0.0.1:8080/v1"


def key_file(folder: Path, data: bytes, mode: int = 0o600) -> Path:
    """A file with this content and mode."""
    path = folder / "a key"
    path.write_bytes(data)
    path.chmod(mode)
    return path


def refused(path: Path | str) -> ConfigError:
    """Why this file is refused."""
    with pytest.raises(ConfigError) as error:
        api_key(ResponsesSettings(api_key_file=str(path)), {"OPENAI_API_KEY": "another"})
    assert KEY not in str(error.value) + error.value.hint
    return error.value


def test_key_comes_from_the_variable_that_is_named() -> None:
    assert api_key(ResponsesSettings(), {"OPENAI_API_KEY": f" {KEY}\n"}) == KEY
    assert api_key(ResponsesSettings(api_key_env="MINE"), {"MINE": KEY, "OPENAI_API_KEY": "x"}) == KEY


def test_file_goes_before_the_variable(tmp_path: Path) -> None:
    path = key_file(tmp_path, f"{KEY}\n".encode())

    assert api_key(ResponsesSettings(api_key_file=str(path)), {"OPENAI_API_KEY": "another"}) == KEY


def test_home_folder_may_be_written_short(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    key_file(tmp_path, KEY.encode())

    assert api_key(ResponsesSettings(api_key_file="~/a key"), {}) == KEY


@pytest.mark.parametrize("variables", [{}, {"OPENAI_API_KEY": ""}, {"OPENAI_API_KEY": "  "}])
def test_server_elsewhere_needs_a_key_and_one_on_this_machine_does_not(variables: dict[str, str]) -> None:
    assert api_key(ResponsesSettings(base_url=LOCAL), variables) is None
    with pytest.raises(ConfigError, match=r"the model server api.openai.com needs a key, and none is set"):
        api_key(ResponsesSettings(), variables)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o777, 0o620])
def test_file_that_others_can_use_is_refused_with_the_command_that_helps(tmp_path: Path, mode: int) -> None:
    path = key_file(tmp_path, KEY.encode(), mode)
    error = refused(path)

    assert str(error) == f"responses.api_key_file: {path} can be used by other users (its mode is {mode:04o})"
    assert error.hint == f"run chmod 600 '{path}'"


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "is empty"),
        (b" \n\n", "is empty"),
        (b"one\ntwo\n", "holds more than one line"),
        (b"x" * (KEY_BYTES_MAX + 1), "is too large for a key"),
        (b"two words", "holds blanks or characters that no key has"),
        (b"\xff\xfe", "holds blanks or characters that no key has"),
        (b"a\x00b", "holds blanks or characters that no key has"),
    ],
)
def test_file_without_one_key_is_refused(tmp_path: Path, data: bytes, message: str) -> None:
    assert message in str(refused(key_file(tmp_path, data)))


def test_what_is_not_a_regular_file_is_refused_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe", 0o600)
    (tmp_path / "link").symlink_to(key_file(tmp_path, KEY.encode()))

    assert "is not a regular file" in str(refused(tmp_path / "pipe"))
    assert "is not a regular file" in str(refused(tmp_path))
    assert "is a symbolic link" in str(refused(tmp_path / "link"))
    assert "No such file" in str(refused(tmp_path / "missing"))
    assert "there is no such home folder" in str(refused("~nobody-has-this-name/key"))


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_file_of_another_user_is_refused(tmp_path: Path) -> None:
    path = key_file(tmp_path, KEY.encode())
    os.chown(path, 12345, -1)

    assert "belongs to another user" in str(refused(path))
