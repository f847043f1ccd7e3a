"""Settings of the `responses` provider: what is an address, what is on this machine, and what an error repeats."""

import pytest

from config import ConfigError, load
from config.responses import ResponsesSettings


@pytest.mark.parametrize(
    "url",
    [
        "https://api.openai.com/v1",
        "http://127.0.0.1:8080/v1",
        "http://[::1]:8080",
        "https://models.example.com",
        "https://models.example.com/some/path/",
    ],
)
def test_address_with_a_host_is_taken(url: str) -> None:
    assert load(None, {}, [f"responses.base_url={url}"]).responses.base_url == url


@pytest.mark.parametrize(
    "url",
    [
        "", "api.openai.com/v1", "ftp://example.com", "file:///etc/passwd", "http://", "https:///v1", "http://:80",
        "http://example.com:port", "http://example.com:99999", "http://exa mple.com", "http://exämple.com", "http://[::1",
    ],
)  # fmt: skip
def test_what_is_no_address_is_refused_with_what_is_expected(url: str) -> None:
    with pytest.raises(ConfigError) as refused:
        load(None, {}, [f"responses.base_url={url}"])

    assert str(refused.value) == (
        "responses.base_url must be a URL like https://api.openai.com/v1: http or https and a host,"
        f' not "{url}" (in --set responses.base_url)'
    )


@pytest.mark.parametrize(
    "url", ["https://ann:hunter2@example.com/v1", "https://example.com/v1?key=hunter2", "https://example.com/#hunter2"]
)
def test_address_with_a_secret_in_it_is_refused_and_not_repeated(url: str) -> None:
    for environment, overrides in ({}, [f"responses.base_url={url}"]), ({"MEMORYD_RESPONSES_BASE_URL": url}, []):
        with pytest.raises(ConfigError, match="without user, password, query or fragment") as refused:
            load(None, environment, overrides)

        assert "hunter2" not in str(refused.value) + refused.value.hint


@pytest.mark.parametrize("name", ["", "a-b", "1A", "A B", "sk-hunter2"])
def test_key_in_the_place_of_its_variables_name_is_not_repeated(name: str) -> None:
    with pytest.raises(ConfigError, match="must be the name of an environment variable") as refused:
        load(None, {}, [f"responses.api_key_env={name}"])

    assert "hunter2" not in str(refused.value)


@pytest.mark.parametrize("path", ["key", "./key", "../key"])
def test_path_that_depends_on_the_folder_is_refused(path: str) -> None:
    with pytest.raises(ConfigError, match="a whole path, from / or ~ on"):
        load(None, {}, [f"responses.api_key_file={path}"])


@pytest.mark.parametrize("effort", ["", "none", "high"])
def test_effort_may_be_left_out(effort: str) -> None:
    assert (load(None, {}, [f"responses.reasoning_effort={effort}"]).responses.reasoning_effort or "") == effort


def test_unknown_effort_is_refused() -> None:
    with pytest.raises(ConfigError, match='none or minimal or low or medium or high or xhigh, not "max"'):
        load(None, {}, ["responses.reasoning_effort=max"])


@pytest.mark.parametrize(
    ("url", "is_loopback"),
    [
        ("http://127.0.0.1:80", True),
        ("http://127.3.2.1", True),
        ("http://[::1]:80", True),
        ("http://localhost:80", True),
        ("http://models.localhost", True),
        ("http://localhost.example.com", False),
        ("http://127.0.0.1.example.com", False),
        ("http://192.168.0.2", False),
        ("https://api.openai.com/v1", False),
    ],
)
def test_server_on_this_machine_is_known_by_its_host(url: str, is_loopback: bool) -> None:
    assert ResponsesSettings(base_url=url).is_loopback() is is_loopback
