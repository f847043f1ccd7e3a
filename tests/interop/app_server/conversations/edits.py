"""What is said of threads: git, names, memory modes."""

from collections.abc import Sequence

from tests.interop.app_server.conversations.people import (
    ARCHIVED,
    ARCHIVED_PAGINATED,
    CHILD,
    HOME,
    LEGACY,
    NOBODY,
    PAGINATED,
    PLAIN,
)
from tests.interop.app_server.conversations.steps import (
    EMPTY,
    FILES,
    NAMES,
    NO_EDIT,
    NO_ID,
    UPDATE,
    about,
    listed,
    read,
    tail,
    update,
)
from tests.interop.app_server.talk import Ask, Conversation, Restart, Step


def _edits() -> Sequence[Conversation]:
    found = []
    for word, thread in (("legacy", LEGACY), ("plain", PLAIN), ("paginated", PAGINATED), ("archived", ARCHIVED),
                         ("archived paginated", ARCHIVED_PAGINATED), ("child", CHILD)):  # fmt: skip
        steps: list[Step] = [
            update(thread, {"branch": "feature/new"}),
            tail(thread),
            read(thread),
            update(thread, {"sha": "def456", "originUrl": "https://example.com/r.git"}),
            update(thread, {"branch": None}),
            tail(thread),
            update(thread, {"branch": "  padded \n"}),
            read(thread),
            update(thread, {"sha": None, "branch": None, "originUrl": None}),
            tail(thread),
            read(thread),
            listed(),
            listed(archived=True),
            Restart(),
            read(thread),
            listed(),
            FILES,
        ]
        found.append(Conversation(name=f"edit {word}", home=HOME, steps=steps))
    return found


REFUSED_EDITS = Conversation(
    name="refused edits",
    home=HOME,
    steps=[
        update(LEGACY, {}, refused=EMPTY),
        update(LEGACY, {"unknown": "x"}, refused=EMPTY),
        update(LEGACY, None, refused=NO_EDIT),
        about(UPDATE, LEGACY, refused=NO_EDIT),
        update(LEGACY, {"branch": ""}, refused="gitInfo.branch must not be empty"),
        update(LEGACY, {"branch": " \t\n"}, refused="gitInfo.branch must not be empty"),
        update(LEGACY, {"sha": "  "}, refused="gitInfo.sha must not be empty"),
        update(LEGACY, {"originUrl": ""}, refused="gitInfo.originUrl must not be empty"),
        update(LEGACY, {"originUrl": "", "branch": "", "sha": ""}),
        update(LEGACY, {"sha": "", "branch": ""}),
        update(LEGACY, {"branch": 5}, refused="Invalid request: invalid type: integer `5`, expected a string"),
        update(LEGACY, {"branch": ["x"]}, refused="Invalid request: invalid type: sequence, expected a string"),
        update(LEGACY, "x"),
        update(LEGACY, 5),
        update(LEGACY, []),
        update(LEGACY, ["a", "b", "c"]),
        update(NOBODY, {"branch": "x"}, refused=f"no rollout found for thread id {NOBODY}"),
        update(NOBODY, {}, refused=EMPTY),
        update("nope", {"branch": "x"}, refused=f"invalid thread id: {NO_ID}"),
        update("nope", {}),
        update("nope", {"branch": ""}),
        update("", {"branch": "x"}),
        update("../../../etc/passwd", {"branch": "x"}),
        Ask(UPDATE, {"gitInfo": {"branch": "x"}}, refused="Invalid request: missing field `threadId`"),
        Ask(UPDATE, refused="Invalid request: missing field `params`"),
        update(LEGACY.id.upper(), {"branch": "upper case"}),
        update(f"urn:uuid:{LEGACY.id}", {"branch": "urn"}),
        update(LEGACY.id.replace("-", ""), {"branch": "bare"}),
        update("{" + LEGACY.id + "}", {"branch": "braces"}),
        update(LEGACY, {"branch": "b" * 10_000}),
        update(LEGACY, {"branch": "zażółć 世界 😀\nline \u2028 \x01"}),
        read(LEGACY),
        tail(LEGACY),
    ],
)

NAMING = Conversation(
    name="names",
    home=HOME,
    steps=[
        *(
            step
            for thread in (LEGACY, PAGINATED, CHILD)
            for step in (
                about("thread/name/set", thread, name=f"Called {thread.number}", wait=["thread/name/updated"]),
                read(thread),
                tail(thread),
            )
        ),
        about("thread/name/set", ARCHIVED, name="Away"),
        about("thread/name/set", ARCHIVED_PAGINATED, name="Away"),
        NAMES,
        about("thread/name/set", LEGACY, name="  again  ", wait=["thread/name/updated"]),
        NAMES,
        read(LEGACY),
        about("thread/name/set", LEGACY, name=""),
        about("thread/name/set", LEGACY, name="  "),
        about("thread/name/set", NOBODY, name="x"),
        about("thread/name/set", "nope", name="x"),
        about("thread/name/set", LEGACY, name=5),
        listed(),
        listed(searchTerm="again"),
        listed(searchTerm="again", useStateDbOnly=True),
        Restart(),
        read(LEGACY),
        listed(),
    ],
)

MEMORY_MODES = Conversation(
    name="memory modes",
    home=HOME,
    steps=[
        *(
            step
            for thread in (LEGACY, PAGINATED, ARCHIVED, ARCHIVED_PAGINATED)
            for mode in ("disabled", "disabled", "enabled")
            for step in (about("thread/memoryMode/set", thread, mode=mode), tail(thread), read(thread))
        ),
        about("thread/memoryMode/set", LEGACY, mode="polluted"),
        about("thread/memoryMode/set", LEGACY, mode=5),
        about("thread/memoryMode/set", LEGACY, mode=None),
        about("thread/memoryMode/set", NOBODY, mode="disabled"),
        about("thread/memoryMode/set", "nope", mode="disabled"),
        update(LEGACY, {"branch": "after"}),
        tail(LEGACY),
    ],
)


EDITS = (*_edits(), REFUSED_EDITS, NAMING, MEMORY_MODES)
