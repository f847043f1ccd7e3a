"""From what a model's server said, or did not say, to the class of failure. The reason is a plain sentence.

too big      the session does not fit: the provider asks again with less of it
permanent    this session will never get an answer: refused, filtered, an answer without an end
unavailable  no session will, for now: key, money, model, address, too many requests, a server that is down
transient    everything else

Whatever a server writes is data: it is redacted, cut to one line, and the key is taken out wherever it stands.
"""

import datetime
import email.utils
import math
from collections.abc import Callable, Mapping

import attrs

from config.responses import ResponsesSettings
from workers.models.protocol import ModelError, ModelPermanentError, ModelTransientError, ModelUnavailableError
from workers.redaction import redact
from workers.redaction.redact import MARKER

RETRY_AFTER_MS_MAX = 86_400_000
"""A server that wants to be left alone for longer than a day is asked again after a day."""

SAID_CHARS_MAX = 200
READ_CHARS_MAX = 4_096
"""Of a server's words; what comes behind would not be shown."""

_OUT_OF_ORDER = frozenset({429, 502, 503, 504, 529})
"""Too many requests of this account, or nobody behind the door: whatever was asked, and not for ever."""

_TOO_BIG_CODES = frozenset({"context_length_exceeded", "request_too_large", "string_above_max_length"})
_TOO_BIG_WORDS = ("context length", "context window", "maximum context", "too many tokens", "prompt is too long")
_PERMANENT_CODES = frozenset({"invalid_prompt", "content_filter", "content_policy_violation", "bio_policy"})
_UNAVAILABLE_CODES = frozenset(
    {"insufficient_quota", "billing_hard_limit_reached", "invalid_api_key", "model_not_found", "account_deactivated"}
)
_OWN_PARAMETERS = ("model", "reasoning", "text", "max_output_tokens", "store", "stream", "instructions")
"""Where a server finds fault with one of these, it finds it with every session alike."""


class TooBigError(ModelPermanentError):
    """The question does not fit into the model."""


@attrs.frozen(kw_only=True)
class Said:
    """What a server gave as its reason. status: of the HTTP answer, None when it came within a stream."""

    status: int | None = None
    code: str = ""
    parameter: str = ""
    message: str = ""


class Failures:
    """Makes the failures of one provider: it knows the server's name and the key that must not be shown."""

    def __init__(self, settings: ResponsesSettings, key: str | None) -> None:
        self._settings = settings
        self._key = key
        self.server = f"the model server {settings.place()}"

    def clean(self, text: str) -> str:
        """A server's words on one line, without secrets, at most SAID_CHARS_MAX characters."""
        if len(text) > READ_CHARS_MAX:
            text = "".join(text[:READ_CHARS_MAX].rsplit(maxsplit=1)[:-1])  # no half of a secret
        if self._key:
            text = text.replace(self._key, MARKER)
        line = " ".join("".join(char if char.isprintable() else " " for char in redact(text)).split())
        return line if len(line) <= SAID_CHARS_MAX else line[: SAID_CHARS_MAX - 1] + "…"

    def of(self, said: Said, *, retry_after_ms: int | None = None) -> ModelError:
        """The failure for what the server said."""
        answered = f"{self.server} answered {said.status}" if said.status else f"{self.server} reported"
        named = [part for part in (self.clean(said.code), self.clean(said.message)) if part]
        reason = answered + (": " + ": ".join(named) if named else "")
        status, lower = said.status, said.message.lower()
        is_rejected = status is None or status in (400, 413, 422)
        if status == 413 or said.code in _TOO_BIG_CODES or (is_rejected and any(w in lower for w in _TOO_BIG_WORDS)):
            return TooBigError(reason)
        hint = self._hint_if_unavailable(said)
        if hint is not None:
            return ModelUnavailableError(reason, hint=hint, retry_after_ms=retry_after_ms)
        if said.code in _PERMANENT_CODES or "policy" in said.code:
            return ModelPermanentError(reason)
        return ModelTransientError(reason, retry_after_ms=retry_after_ms)

    def _hint_if_unavailable(self, said: Said) -> str | None:
        """What a person has to do before any session can get an answer; None where that is not the matter."""
        status = said.status
        settings = self._settings
        if said.code in ("insufficient_quota", "billing_hard_limit_reached") or status == 402:
            return "the account has no credit left: add some, or choose another model"
        if status in _OUT_OF_ORDER:
            return "wait, or ask for less at a time: extraction.workers"
        # A bare 403 may be a firewall's, about what this one session says.
        is_refused = status == 401 or (status == 403 and (said.code or said.message))
        if is_refused or said.code in ("invalid_api_key", "account_deactivated"):
            source = settings.api_key_file or f"the environment variable {settings.api_key_env}"
            return f"check the key in {source}; a running service reads it when it starts"
        if status in (404, 405, 410) or said.code in _UNAVAILABLE_CODES:
            return f'check responses.base_url and responses.model ("{settings.model}")'
        if status is not None and 300 <= status < 400:
            return "it points to another address: set responses.base_url to that, if it is the right one"
        if status in (400, 422) and said.parameter.partition(".")[0] in _OWN_PARAMETERS:
            return f"check the settings of [responses]: the server does not take {self.clean(said.parameter)}"
        return None

    def unreachable(self, why: str) -> ModelError:
        """No connection came about, so nothing was asked: no session is to blame."""
        return ModelUnavailableError(
            f"{self.server} cannot be reached: {self.clean(why) or 'no connection'}",
            hint="check the network and responses.base_url",
        )

    def cut(self, why: str) -> ModelError:
        """The connection ended in the middle."""
        return ModelTransientError(f"{self.server} cut the connection: {self.clean(why) or 'no reason given'}")

    def too_late(self) -> ModelError:
        """The call took all the time that it may take."""
        seconds = self._settings.call_seconds_max
        return ModelTransientError(f"{self.server} did not finish within {seconds:g} s (responses.call_seconds_max)")

    def wrong_answer(self, what: str) -> ModelError:
        """There is an answer, and it is not one."""
        return ModelTransientError(f"{self.server} gave a wrong answer: {self.clean(what)}")


def retry_after_ms(headers: Mapping[str, str], wall_seconds: Callable[[], float]) -> int | None:
    """How long the server wants to be left alone: Retry-After in seconds or as a date, or retry-after-ms.

    Args:
      headers: with names in lower case, or a mapping that does not mind.
      wall_seconds: the clock that a date is compared with.
    """
    for name, factor in (("retry-after-ms", 1), ("retry-after", 1_000)):
        try:
            wait_ms = float(headers.get(name, "")) * factor
        except ValueError:
            continue
        if not math.isnan(wait_ms):
            return _bounded(wait_ms)
    try:
        when = email.utils.parsedate_to_datetime(headers.get("retry-after", ""))
    except ValueError:
        return None
    if when.tzinfo is None:
        when = when.replace(tzinfo=datetime.UTC)
    return _bounded((when.timestamp() - wall_seconds()) * 1_000)


def _bounded(wait_ms: float) -> int:
    return math.ceil(min(max(wait_ms, 0), RETRY_AFTER_MS_MAX))
