"""Which provider the settings stand for."""

import os

from config import Settings
from workers.models.protocol import Provider


def provider_named(settings: Settings) -> Provider:
    """Build the provider that `extraction.model` or --model names. Nothing is asked of it yet.

    Raises:
      ConfigError: it needs a key, and there is none that may be used.
      ValueError: there is no such provider; the settings refuse such a name before.
    """
    name = settings.extraction.model
    # Imported here: what is not needed to be ready is imported later.
    if name == "builtin":
        from workers.models.builtin import BuiltinProvider

        return BuiltinProvider()
    if name == "responses":
        from workers.models.responses import ResponsesProvider, api_key

        return ResponsesProvider(settings.responses, api_key(settings.responses, os.environ))
    raise ValueError(f"there is no model named {name}")
