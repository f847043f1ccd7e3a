"""A conversation goes as it goes with the app-server: the same answers, notifications and files."""

from pathlib import Path

import pytest

from tests.fakes.model_server import fake_model_server
from tests.interop.app_server.conversations import LIVE, STORED
from tests.interop.app_server.differences import differences
from tests.interop.app_server.pair import Side, settle_pair
from tests.interop.app_server.searches import SEARCHES
from tests.interop.app_server.talk import Conversation, Seen, hold

pytestmark = pytest.mark.interop


@pytest.mark.parametrize("conversation", [*STORED, *SEARCHES, *LIVE], ids=lambda conversation: conversation.name)
def test_conversation_goes_as_with_the_real_binary(
    conversation: Conversation, codex_program: Path, tmp_path: Path
) -> None:
    theirs, ours = _both(conversation, codex_program, tmp_path)

    for seen in theirs:
        if seen.refused is not None:
            assert seen.value["error"]["message"] == seen.refused
    assert [seen.what for seen in theirs] == [seen.what for seen in ours]
    found = [
        line
        for number, (one, other) in enumerate(zip(theirs, ours, strict=True), 1)
        for line in differences(f"{conversation.name}, {number}", one.what, one.value, other.value)
    ]
    assert not found, "\n".join(found)


def _both(conversation: Conversation, binary: Path, root: Path) -> tuple[list[Seen], list[Seen]]:
    def furnish(home: Path) -> None:
        for thread in conversation.home:
            thread.write(home)

    pair = settle_pair(binary, root, furnish)
    return _held(conversation, pair.codex), _held(conversation, pair.memoryd)


def _held(conversation: Conversation, side: Side) -> list[Seen]:
    if not conversation.talks_to_model:
        return hold(conversation, side)
    with fake_model_server() as model:  # one each, since it numbers its answers
        side.codex.configure(model.url)
        for said, step in conversation.scripts.items():
            model.script(said, step)
        return hold(conversation, side)
