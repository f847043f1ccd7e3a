"""Where threads are: put away, brought back, deleted."""

from tests.interop.app_server.conversations.people import (
    ARCHIVED,
    ARCHIVED_PAGINATED,
    HOME,
    LEGACY,
    NOBODY,
    PAGINATED,
    PLAIN,
)
from tests.interop.app_server.conversations.steps import FILES, NO_ID, about, archive, listed, read, unarchive, update
from tests.interop.app_server.stored import Stored
from tests.interop.app_server.talk import Ask, Conversation, Restart

ARCHIVING = Conversation(
    name="archive and bring back",
    home=HOME,
    steps=[
        archive(LEGACY),
        FILES,
        about("thread/archive", LEGACY, refused=f"no rollout found for thread id {LEGACY.id}"),
        archive(PAGINATED),
        listed(),
        listed(archived=True),
        read(LEGACY),
        read(LEGACY, turns=True),
        about(
            "thread/resume",
            LEGACY,
            refused=f"session {LEGACY.id} is archived. Run `codex unarchive {LEGACY.id}` to unarchive it first.",
        ),
        update(LEGACY, {"branch": "while away"}),
        unarchive(LEGACY),
        FILES,
        read(LEGACY),
        about("thread/unarchive", LEGACY, refused=f"no archived rollout found for thread id {LEGACY.id}"),
        unarchive(ARCHIVED),
        unarchive(ARCHIVED_PAGINATED),
        archive(ARCHIVED),
        FILES,
        about("thread/archive", NOBODY, refused=f"no rollout found for thread id {NOBODY}"),
        about("thread/unarchive", NOBODY, refused=f"no archived rollout found for thread id {NOBODY}"),
        about("thread/archive", "nope", refused=f"invalid session id: {NO_ID}"),
        about("thread/unarchive", "nope", refused=f"invalid session id: {NO_ID}"),
        Ask("thread/archive", {}, refused="Invalid request: missing field `threadId`"),
        about("thread/archive", LEGACY.id.upper(), wait=["thread/archived"]),
        listed(),
        listed(archived=True),
        Restart(),
        listed(),
        listed(archived=True),
        FILES,
    ],
)

DELETING = Conversation(
    name="delete",
    home=HOME,
    steps=[
        about("thread/delete", PLAIN, wait=["thread/deleted"]),
        FILES,
        read(PLAIN),
        listed(),
        about("thread/delete", PLAIN),
        about("thread/delete", PAGINATED, wait=["thread/deleted"]),
        about("thread/delete", ARCHIVED, wait=["thread/deleted"]),
        about("thread/delete", "nope"),
        about("thread/delete", NOBODY),
        FILES,
        listed(),
        listed(archived=True),
        update(PLAIN, {"branch": "x"}),
        Restart(),
        listed(),
        FILES,
    ],
)

BOTH_PLACES = Conversation(
    name="a thread in both folders",
    home=(LEGACY, Stored(number=1, minute=1, text="The archived one", is_archived=True)),
    steps=[
        listed(),
        listed(archived=True),
        read(LEGACY),
        about("thread/archive", LEGACY),
        about("thread/unarchive", LEGACY),
        FILES,
    ],
)


BOTH_PLACES_BACK = Conversation(
    name="a thread in both folders is brought back",
    home=BOTH_PLACES.home,
    steps=[
        about("thread/unarchive", LEGACY, refused=f"no archived rollout found for thread id {LEGACY.id}"),
        FILES,
        listed(),
        listed(archived=True),
        read(LEGACY),
    ],
)

PLACES = (ARCHIVING, DELETING, BOTH_PLACES, BOTH_PLACES_BACK)
