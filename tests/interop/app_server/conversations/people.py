"""The threads that conversations are about: one of each kind, and some that come later."""

from tests.interop.app_server.library import GIT, UNKNOWN
from tests.interop.app_server.stored import Stored, spawned_by, thread_id

LEGACY = Stored(number=1, minute=1, text="Repair the till", meta={"git": GIT})
PLAIN = Stored(number=2, minute=2, text="Without git")
PAGINATED = Stored(number=3, minute=3, text="Paint the shop", is_paginated=True, meta={"git": GIT})
ARCHIVED = Stored(number=4, minute=4, text="Put away", is_archived=True)
ARCHIVED_PAGINATED = Stored(number=5, minute=5, text="Put away too", is_archived=True, is_paginated=True)
CHILD = Stored(number=6, minute=6, text="Look at the drawer", meta={"source": spawned_by(1, 1)})
LATE = Stored(number=7, minute=7, text="Written afterwards")
LATE_ARCHIVED = Stored(number=8, minute=8, text="Written afterwards, and put away", is_archived=True)
SILENT = Stored(number=9, minute=9)

HOME = (LEGACY, PLAIN, PAGINATED, ARCHIVED, ARCHIVED_PAGINATED, CHILD)
NOBODY = thread_id(UNKNOWN)
