"""Pages of threads."""

from tests.interop.app_server.conversations.people import HOME
from tests.interop.app_server.conversations.steps import ALL, listed, read, update
from tests.interop.app_server.stored import Stored
from tests.interop.app_server.talk import Ask, Conversation

PAGES = Conversation(
    name="pages there and back",
    home=HOME,
    steps=[
        listed(limit=2),
        *(
            step
            for key in ("created_at", "updated_at", "recency_at")
            for step in (
                Ask("thread/list", {**ALL, "limit": 2, "sortKey": key}, save={"C": "result.nextCursor"}),
                Ask(
                    "thread/list",
                    {**ALL, "limit": 2, "sortKey": key, "cursor": "${C}"},
                    save={"B": "result.backwardsCursor"},
                ),
                listed(limit=2, sortKey=key, cursor="${B}", sortDirection="asc"),
                listed(limit=2, sortKey=key, cursor="${B}"),
                listed(limit=2, sortKey=key, cursor="${C}", sortDirection="asc"),
                listed(limit=2, sortKey=key, cursor="${C}", useStateDbOnly=True),
            )
        ),
    ],
)


_SPELLED = ("/srv/shop/", "/srv/./shop", "/srv/x/../shop", "//srv//shop", "/srv/shop", "relative", "", "/tmp/", "~/x",
            "/", "./x", "/srv/shop/.", "C:\\x")  # fmt: skip
_IN_FOLDERS = tuple(
    Stored(number=number, minute=number, text="Somewhere", meta={"cwd": folder})
    for number, folder in enumerate(_SPELLED, 1)
)

FOLDERS = Conversation(
    name="folders in many spellings",
    home=_IN_FOLDERS,
    steps=[
        listed(),
        *(listed(cwd=folder) for folder in (*_SPELLED, ".", "x", "~", "/srv/shop/../shop")),
        listed(cwd=["/srv/shop/", "/tmp"]),
        *(read(thread) for thread in _IN_FOLDERS),
        update(_IN_FOLDERS[0], {"branch": "x"}),
    ],
)

LISTINGS = (PAGES, FOLDERS)
