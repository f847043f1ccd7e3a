"""Pages of threads."""

from tests.interop.app_server.conversations.people import HOME
from tests.interop.app_server.conversations.steps import ALL, listed
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


LISTINGS = (PAGES,)
