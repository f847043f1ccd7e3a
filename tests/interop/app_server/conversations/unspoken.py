"""With live threads in which nobody has spoken yet, or nobody ever did."""

from collections.abc import Sequence

from tests.interop.app_server.conversations.live_steps import spoken, start
from tests.interop.app_server.conversations.steps import FILES, NAMES, about, listed, read, update
from tests.interop.app_server.talk import Ask, Conversation, Restart


def _unspoken(mode: str) -> Sequence[Conversation]:
    said = [
        about("thread/name/set", "${T}", name="Early", wait=["thread/name/updated"]),
        about("thread/memoryMode/set", "${T}", mode="disabled"),
        update("${T}", {"branch": "early", "sha": "abc"}),
    ]
    edited = [
        Conversation(
            name=f"nobody has spoken, {mode}: {step.method}",
            talks_to_model=True,
            steps=[
                start(historyMode=mode),
                step,
                FILES,
                read("${T}"),
                listed(),
                listed(useStateDbOnly=True),
                *([read("${T}", turns=True)] if mode == "legacy" else []),
                spoken("Hello"),
                FILES,
                read("${T}"),
                listed(),
                NAMES,
                Restart(),
                read("${T}"),
                listed(),
            ],
        )
        for step in said
    ]
    left = Conversation(
        name=f"nobody ever spoke, {mode}",
        talks_to_model=True,
        steps=[
            start(historyMode=mode),
            about("thread/resume", "${T}"),
            about("thread/fork", "${T}"),
            about("thread/turns/list", "${T}"),
            about("thread/items/list", "${T}"),
            update("${T}", {"branch": "early"}),
            FILES,
            Restart(),
            read("${T}"),
            listed(),
            *([] if mode == "legacy" else [about("thread/resume", "${T}")]),
            FILES,
        ],
    )
    gone = [
        Conversation(
            name=f"{method} of a thread in which nobody spoke, {mode}",
            talks_to_model=True,
            steps=[
                start(historyMode=mode),
                about(method, "${T}", wait=["thread/status/changed", told]),
                FILES,
                Ask("thread/loaded/list", {}),
                read("${T}"),
                listed(),
            ],
        )
        for method, told in (("thread/archive", "thread/archived"), ("thread/delete", "thread/deleted"))
    ]
    return [*edited, left, *gone]


UNSPOKEN: Sequence[Conversation] = (*_unspoken("legacy"), *_unspoken("paginated"))
