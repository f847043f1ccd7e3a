"""Settings of the `responses` provider: where its server is, which model, and what one call may take."""

import ipaddress
from urllib.parse import urlsplit

import attrs

from config.checks import between, http_url, not_blank, one_of, unset_or, variable_name, whole_path


@attrs.frozen(kw_only=True)
class ResponsesSettings:
    """About the model behind `extraction.model = "responses"`: any server that speaks the OpenAI Responses API.

    Attributes:
      base_url: where the API is; the official one unless set.
      model: which model is asked. The default is what the Codex CLI uses for the same work.
      api_key_env: the environment variable that holds the key.
      api_key_file: a file that holds the key, readable by its owner alone; goes before the variable. Unset: none.
      reasoning_effort: how long the model may think; empty for a model that does not take one.
      call_seconds_max: a call may take so long in all, with its retries; a model that thinks answers within minutes.
      retries_max: a request that the server could not take is sent again so often within a call. What the server says
        in Retry-After is waited for.
      input_tokens_max: a longer session is cut to about so many tokens, its oldest tool outputs first.
      output_tokens_max: the model may write so many, reasoning included.
    """

    base_url: str = attrs.field(default="https://api.openai.com/v1", validator=http_url)
    model: str = attrs.field(default="gpt-5.4-mini", validator=not_blank)
    api_key_env: str = attrs.field(default="OPENAI_API_KEY", validator=variable_name)
    api_key_file: str | None = attrs.field(default=None, validator=unset_or(whole_path))
    reasoning_effort: str | None = attrs.field(
        default="low", validator=unset_or(one_of("none", "minimal", "low", "medium", "high", "xhigh"))
    )
    call_seconds_max: float = attrs.field(default=300.0, validator=between(0.1, 3_600))
    retries_max: int = attrs.field(default=2, validator=between(0, 10))
    input_tokens_max: int = attrs.field(default=150_000, validator=between(4_000, 10_000_000))
    output_tokens_max: int = attrs.field(default=16_000, validator=between(500, 1_000_000))

    def place(self) -> str:
        """The server for people, without its path, e.g. "api.openai.com"."""
        return urlsplit(self.base_url).netloc

    def is_loopback(self) -> bool:
        """True for a server on this machine, which may go without a key."""
        host = urlsplit(self.base_url).hostname or ""
        if host == "localhost" or host.endswith(".localhost"):
            return True
        try:
            return ipaddress.ip_address(host).is_loopback
        except ValueError:
            return False
