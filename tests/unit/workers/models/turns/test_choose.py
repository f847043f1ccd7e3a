"""The model that answers is the one that Codex's configuration names, else memoryd's own, else the built-in one."""

from typing import Any

import attrs
import pytest

from config import Settings
from state.codex_config import CodexConfig
from tests.fakes.turn_models import nothing_remembered
from workers.models.turns.builtin import BuiltinTurnModel
from workers.models.turns.choose import TurnModels
from workers.models.turns.protocol import TurnFailedError
from workers.models.turns.responses import ResponsesTurnModel, TurnServer

PROVIDER = "loopback"


def models(table: dict[str, Any] | None = None, *, own: bool = False, **environment: str) -> TurnModels:
    values: dict[str, Any] = {} if table is None else {"model_providers": {PROVIDER: table}}
    settings = Settings()
    if own:
        settings = attrs.evolve(settings, extraction=attrs.evolve(settings.extraction, model="responses"))
    return TurnModels(
        config=CodexConfig(values=values),
        settings=settings,
        remembered=nothing_remembered,
        environment=environment,
    )


def server(table: dict[str, Any], **environment: str) -> TurnServer:
    model = models(table, own=False, **environment).model(PROVIDER, "mock-model")
    assert isinstance(model, ResponsesTurnModel)
    return model._server


def test_builtin_model_needs_no_configuration() -> None:
    assert isinstance(models().model("openai", "gpt"), BuiltinTurnModel)
    assert isinstance(models({"base_url": "http://127.0.0.1:1/v1"}).model(PROVIDER, "builtin"), BuiltinTurnModel)
    assert models().model_default("openai") == "builtin"


def test_table_of_the_provider_says_where_its_server_is() -> None:
    found = server(
        {
            "base_url": "http://127.0.0.1:1/v1/",
            "env_key": "MY_KEY",
            "http_headers": {"x-a": "1", "x-b": 2},
            "env_http_headers": {"x-c": "HEADER", "x-d": "MISSING"},
            "query_params": {"v": "1"},
            "stream_max_retries": 0,
            "stream_idle_timeout_ms": 2_000,
        },
        MY_KEY="secret",
        HEADER="from the environment",
    )

    assert found.url == "http://127.0.0.1:1/v1/responses"
    assert (found.key, found.retries_max, found.silence_seconds_max) == ("secret", 0, 2.0)
    assert found.headers == {"x-a": "1", "x-c": "from the environment"}
    assert found.query == {"v": "1"}
    assert found.uses_proxies is False


def test_server_that_wants_no_key_gets_none() -> None:
    assert server({"base_url": "http://127.0.0.1:1/v1"}, OPENAI_API_KEY="secret").key is None


def test_server_that_wants_the_usual_key_gets_the_one_of_our_settings() -> None:
    table = {"base_url": "https://example.test/v1", "requires_openai_auth": True}

    assert server(table, OPENAI_API_KEY="secret").key == "secret"
    with pytest.raises(TurnFailedError, match="needs a key"):
        models(table).model(PROVIDER, "mock-model")


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({"base_url": "https://example.test/v1", "env_key": "MY_KEY"}, "Missing environment variable: `MY_KEY`."),
        ({"base_url": "https://example.test/v1", "wire_api": "chat"}, "wire_api 'chat' is not supported"),
        ({"base_url": "file:///etc/passwd"}, "base_url is no address of a server"),
    ],
)
def test_table_that_cannot_be_used_fails_the_turn(table: dict[str, Any], message: str) -> None:
    with pytest.raises(TurnFailedError, match=message):
        models(table).model(PROVIDER, "mock-model")


def test_own_settings_answer_where_no_table_does() -> None:
    chosen = models(own=True, OPENAI_API_KEY="secret")
    model = chosen.model("openai", "gpt")

    assert isinstance(model, ResponsesTurnModel)
    assert model._server.key == "secret"
    assert chosen.model_default("openai") == Settings().responses.model
