"""The `responses` provider: a model behind the OpenAI Responses API. `ResponsesProvider` is what the rest uses.

The SDK takes most of a second to import, so nothing here imports it before the first call.
"""

from workers.models.responses.key import api_key
from workers.models.responses.provider import ResponsesProvider

__all__ = ["ResponsesProvider", "api_key"]
