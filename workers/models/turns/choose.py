"""Which model answers a turn.

1. "builtin", as the model or the provider: the built-in one.
2. A provider that Codex's config.toml has a table for: the server of that table.
3. `extraction.model = "responses"`: the server of memoryd's own [responses] settings.
4. Else the built-in one, which needs neither key nor network.

A key comes from the environment, from memoryd's own settings or from the table itself; Codex's login is never read.
"""

import os
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import attrs

from config import ConfigError, Settings
from state.codex_config import CodexConfig
from workers.models.responses.key import api_key
from workers.models.turns.builtin import BuiltinTurnModel, Remembered
from workers.models.turns.protocol import TurnFailedError, TurnModel
from workers.models.turns.responses import ResponsesTurnModel, TurnServer

BUILTIN = "builtin"

CODEX_PROVIDERS = ("openai", "amazon-bedrock", "ollama", "lmstudio")
"""Those that Codex knows without a table."""

RETRIES_DEFAULT = 4
RETRIES_MAX = 100
SILENCE_MS_DEFAULT = 300_000
SILENCE_MS_MAX = 3_600_000


@attrs.frozen(kw_only=True)
class TurnModels:
    """Chooses among the models that the configuration knows."""

    config: CodexConfig
    settings: Settings
    remembered: Remembered
    environment: Mapping[str, str] = attrs.field(factory=lambda: os.environ, repr=False)

    def model_default(self, provider: str) -> str:
        """The model that is asked where nobody names one."""
        named = self.config.text("model")
        if named is not None:
            return named
        return self.settings.responses.model if self._is_served(provider) else BUILTIN

    def has_provider(self, provider: str) -> bool:
        """Whether the configuration knows a provider of this name."""
        if provider in (*CODEX_PROVIDERS, BUILTIN, self.settings.codex.model_provider_default):
            return True
        return bool(self.config.table("model_providers", provider))

    def model(self, provider: str, model: str) -> TurnModel:
        """The model to ask. Nothing is asked of it yet.

        Raises:
          TurnFailedError: it needs a key and there is none, or its table cannot be used.
        """
        if BUILTIN in (provider, model):
            return BuiltinTurnModel(self.remembered)
        table = self.config.table("model_providers", provider)
        try:
            if isinstance(table.get("base_url"), str):
                return ResponsesTurnModel(self._server_of_table(table))
            if self.settings.extraction.model == "responses":
                return ResponsesTurnModel(self._own_server())
        except ConfigError as error:
            raise TurnFailedError(str(error), "unauthorized") from None
        return BuiltinTurnModel(self.remembered)

    def _is_served(self, provider: str) -> bool:
        has_table = isinstance(self.config.table("model_providers", provider).get("base_url"), str)
        return has_table or self.settings.extraction.model == "responses"

    def _server_of_table(self, table: Mapping[str, Any]) -> TurnServer:
        wire = table.get("wire_api", "responses")
        if wire != "responses":
            raise TurnFailedError(f"wire_api {wire!r} is not supported; only responses is")
        base_url = str(table["base_url"])
        settings = attrs.evolve(self.settings.responses)
        parts = urlsplit(base_url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise TurnFailedError(f"base_url is no address of a server: {base_url}")
        named_headers = {
            name: self.environment[variable]
            for name, variable in _texts(table.get("env_http_headers")).items()
            if variable in self.environment
        }
        return TurnServer(
            base_url=base_url,
            headers={**_texts(table.get("http_headers")), **named_headers},
            query=_texts(table.get("query_params")),
            key=self._key_of_table(table),
            retries_max=_bounded(
                table.get("stream_max_retries", table.get("request_max_retries")), RETRIES_DEFAULT, RETRIES_MAX
            ),
            silence_seconds_max=_bounded(table.get("stream_idle_timeout_ms"), SILENCE_MS_DEFAULT, SILENCE_MS_MAX)
            / 1_000,
            uses_proxies=not attrs.evolve(settings, base_url=base_url).is_loopback(),
        )

    def _key_of_table(self, table: Mapping[str, Any]) -> str | None:
        variable = table.get("env_key")
        if isinstance(variable, str) and variable:
            key = self.environment.get(variable, "").strip()
            if not key:
                hint = table.get("env_key_instructions")
                raise TurnFailedError(
                    f"Missing environment variable: `{variable}`." + (f" {hint}" if isinstance(hint, str) else "")
                )
            return key
        token = table.get("experimental_bearer_token")
        if isinstance(token, str) and token:
            return token
        return api_key(self.settings.responses, self.environment) if table.get("requires_openai_auth") is True else None

    def _own_server(self) -> TurnServer:
        own = self.settings.responses
        return TurnServer(
            base_url=own.base_url,
            key=api_key(own, self.environment),
            retries_max=own.retries_max,
            silence_seconds_max=own.call_seconds_max,
            uses_proxies=not own.is_loopback(),
        )


def _texts(table: object) -> dict[str, str]:
    if not isinstance(table, dict):
        return {}
    return {name: value for name, value in table.items() if isinstance(name, str) and isinstance(value, str)}


def _bounded(value: object, otherwise: int, maximum: int) -> int:
    return min(max(value, 0), maximum) if isinstance(value, int) and not isinstance(value, bool) else otherwise
