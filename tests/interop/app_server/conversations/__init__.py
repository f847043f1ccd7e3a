"""Conversations that change something: each on a home of its own, held with both servers.

people: the threads of a home.  steps: what is asked and looked at.  The other modules: the subjects.
"""

from collections.abc import Sequence

from tests.interop.app_server.conversations.edits import EDITS
from tests.interop.app_server.conversations.files import FILES_ALONE
from tests.interop.app_server.conversations.listings import LISTINGS
from tests.interop.app_server.conversations.live import LIVE
from tests.interop.app_server.conversations.places import PLACES
from tests.interop.app_server.talk import Conversation

STORED: Sequence[Conversation] = (*EDITS, *PLACES, *FILES_ALONE, *LISTINGS)
"""About stored threads alone."""

__all__ = ["LIVE", "STORED"]
