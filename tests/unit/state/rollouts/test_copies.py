"""What a fork has copied from another thread gives it its title, and is not its content."""

import json
import uuid
from pathlib import Path
from typing import Any

import pytest

from state.ids import ThreadId
from state.rollouts.conversation import read_conversation
from state.rollouts.model import Conversation, ThreadFacts
from state.rollouts.read import read_rollout
from tests.unit.state.rollouts.transcript import OTHER_THREAD, THREAD, listed, unchanged, write_rollout

FORKED_AT_MS = uuid.UUID(THREAD).int >> 80
COPY_MS = 1_795_168_860_000


def _line(at_ms: int, kind: str, /, **payload: Any) -> bytes:
    stamp = f"2026-11-20T10:01:{(at_ms - COPY_MS) // 1000:02d}.{(at_ms - COPY_MS) % 1000:03d}Z"
    outer, _, inner = kind.partition("/")
    typed = {"type": inner} if inner else {}
    text = json.dumps({"timestamp": stamp, "type": outer, "payload": typed | payload}, separators=(",", ":"))
    return text.encode() + b"\n"


def _meta(thread_id: str, at_ms: int = COPY_MS) -> bytes:
    return _line(at_ms, "session_meta", id=thread_id, timestamp="2026-11-20T10:00:00.456Z", cwd="/shop", source="cli")


def _turn_id(after_fork_ms: int) -> str:
    return str(uuid.UUID(int=(FORKED_AT_MS + after_fork_ms) << 80 | 7 << 76 | 2 << 62 | 5))


def _turn(words: str, at_ms: int, turn_id: str | None) -> bytes:
    """One turn; without an id as older versions wrote it."""
    begin = b"" if turn_id is None else _line(at_ms, "event_msg/task_started", turn_id=turn_id)
    end = b"" if turn_id is None else _line(at_ms, "event_msg/task_complete", turn_id=turn_id)
    return (
        begin
        + _line(at_ms, "event_msg/user_message", message=words)
        + _line(at_ms, "turn_context", cwd="/shop")
        + _line(at_ms, "event_msg/agent_message", message=f"answer to {words}")
        + end
    )


def _facts(home: Path, data: bytes) -> ThreadFacts:
    facts = read_rollout(home, listed(home, write_rollout(home, data)), None, redact=unchanged).facts
    assert facts is not None
    return facts


def _talk(home: Path, data: bytes) -> Conversation:
    path = write_rollout(home, data)
    return read_conversation(home, str(path.relative_to(home)), ThreadId(THREAD), redact=unchanged)


DATED_COPY = _meta(THREAD) + _meta(OTHER_THREAD) + _turn("copied", COPY_MS, _turn_id(-1000))
UNDATED_COPY = _meta(THREAD) + _meta(OTHER_THREAD) + _turn("copied", COPY_MS, None)
OWN_DATED = _turn("own", COPY_MS + 8, _turn_id(8))
OWN_UNDATED = _turn("own", COPY_MS + 900, None)


@pytest.mark.parametrize("copy", [DATED_COPY, UNDATED_COPY], ids=["dated", "undated"])
def test_fork_without_a_turn_of_its_own_has_a_title_and_no_content(tmp_path: Path, copy: bytes) -> None:
    facts, talk = _facts(tmp_path, copy), _talk(tmp_path, copy)

    assert (facts.title, facts.preview, facts.first_user_message) == ("copied", "copied", "copied")
    assert (facts.content_lines, facts.content_at_ms) == (0, None)
    assert (talk.events, talk.ended) == ((), "open")


@pytest.mark.parametrize(
    ("copy", "own"), [(DATED_COPY, OWN_DATED), (UNDATED_COPY, OWN_UNDATED)], ids=["dated", "undated"]
)
def test_content_of_a_fork_is_its_own_turns_at_their_own_lines(tmp_path: Path, copy: bytes, own: bytes) -> None:
    facts, talk = _facts(tmp_path, copy + own), _talk(tmp_path, copy + own)

    assert [event.text for event in talk.events] == ["own", "answer to own"]
    assert all(event.line > copy.count(b"\n") for event in talk.events)
    assert facts.content_lines == 2
    assert facts.title == "copied"


@pytest.mark.parametrize(("after_ms", "is_own"), [(-1, False), (0, True), (1, True)])
def test_turn_is_own_from_the_instant_of_the_fork(tmp_path: Path, after_ms: int, is_own: bool) -> None:
    data = DATED_COPY + _turn("next", COPY_MS + 5_000, _turn_id(after_ms))

    assert bool(_talk(tmp_path, data).events) == is_own


@pytest.mark.parametrize(("pause_ms", "is_own"), [(14, False), (15, True)])
def test_turn_without_a_dated_id_is_own_after_a_pause(tmp_path: Path, pause_ms: int, is_own: bool) -> None:
    data = UNDATED_COPY + _turn("next", COPY_MS + pause_ms, None)

    assert bool(_talk(tmp_path, data).events) == is_own


def test_line_that_names_the_thread_ends_the_copy(tmp_path: Path) -> None:
    settings = _line(COPY_MS, "event_msg/thread_settings_applied", thread_id=THREAD, thread_settings={})
    data = UNDATED_COPY + settings + _turn("own", COPY_MS, None)

    assert [event.text for event in _talk(tmp_path, data).events] == ["own", "answer to own"]


def test_settings_of_the_parent_do_not_end_the_copy(tmp_path: Path) -> None:
    settings = _line(COPY_MS, "event_msg/thread_settings_applied", thread_id=OTHER_THREAD, thread_settings={})

    assert _talk(tmp_path, UNDATED_COPY + settings + _turn("copied too", COPY_MS, None)).events == ()


def test_patch_of_the_fork_ends_the_copy(tmp_path: Path) -> None:
    data = DATED_COPY + _meta(THREAD) + _turn("own", COPY_MS, None)

    assert [event.text for event in _talk(tmp_path, data).events] == ["own", "answer to own"]


def test_session_meta_of_another_thread_behind_own_words_copies_nothing(tmp_path: Path) -> None:
    data = _meta(THREAD) + _turn("own", COPY_MS, None) + _meta(OTHER_THREAD) + _turn("own too", COPY_MS, None)

    assert [event.text for event in _talk(tmp_path, data).events if event.kind == "user"] == ["own", "own too"]
    assert _facts(tmp_path, data).content_lines == 4


@pytest.mark.parametrize("cut", range(0, len(DATED_COPY + OWN_DATED), 211))
def test_fork_that_is_read_in_two_passes_is_read_as_if_at_once(tmp_path: Path, cut: int) -> None:
    whole = DATED_COPY + OWN_DATED
    path = write_rollout(tmp_path, whole[:cut])
    first = read_rollout(tmp_path, listed(tmp_path, path), None, redact=unchanged)
    path.write_bytes(whole)
    second = read_rollout(tmp_path, listed(tmp_path, path), first.checkpoint, redact=unchanged)

    assert second.facts == _facts(tmp_path, whole)


MIGRATED_META = _line(
    COPY_MS,
    "session_meta",
    id=THREAD,
    timestamp="2026-11-20T10:00:00.456Z",
    cwd="/shop",
    source="cli",
    forked_from_id=OTHER_THREAD,
    history_mode="paginated",
)
"""What `codex migrate-rollouts` leaves of a fork's two: its own."""

CONTEXT = _line(
    COPY_MS, "response_item/message", role="user", content=[{"type": "input_text", "text": "<environment_context>"}]
)


def test_migrated_fork_is_known_by_the_age_of_its_first_turn(tmp_path: Path) -> None:
    copy = MIGRATED_META + _turn("copied", COPY_MS, _turn_id(-1000))
    facts, talk = _facts(tmp_path, copy + OWN_DATED), _talk(tmp_path, copy + OWN_DATED)

    assert [event.text for event in talk.events] == ["own", "answer to own"]
    assert (facts.content_lines, facts.content_at_ms, facts.title) == (2, COPY_MS + 8, "copied")


@pytest.mark.parametrize("context", [b"", CONTEXT], ids=["", "context before the turn"])
def test_migrated_fork_without_a_turn_of_its_own_has_no_content(tmp_path: Path, context: bytes) -> None:
    copy = MIGRATED_META + context + _turn("copied", COPY_MS, _turn_id(-1000))
    facts, talk = _facts(tmp_path, copy), _talk(tmp_path, copy)

    assert facts.is_all_copied
    assert (facts.content_lines, facts.content_at_ms, facts.content_digest) == (0, None, "")
    assert (talk.events, talk.ended) == ((), "open")


@pytest.mark.parametrize(
    "own", [b"", _line(COPY_MS, "event_msg/thread_settings_applied", thread_id=THREAD, thread_settings={})]
)
def test_fork_that_has_said_nothing_yet_is_all_copied(tmp_path: Path, own: bytes) -> None:
    """Today's Codex notes the fork's settings right behind the copy."""
    assert _facts(tmp_path, DATED_COPY + own).is_all_copied
    assert not _facts(tmp_path, DATED_COPY + own + OWN_DATED).is_all_copied
    assert not _facts(tmp_path, _meta(THREAD) + own).is_all_copied


def test_older_turn_in_a_thread_that_is_no_fork_is_its_own(tmp_path: Path) -> None:
    data = _meta(THREAD) + _turn("own", COPY_MS, _turn_id(-1000))

    assert [event.text for event in _talk(tmp_path, data).events] == ["own", "answer to own"]
    assert _facts(tmp_path, data).content_lines == 2


def test_older_turn_behind_an_own_one_is_own_too(tmp_path: Path) -> None:
    """As after a clock that was set back; whoever resumes a fork has no copy to make."""
    for copy in (DATED_COPY, MIGRATED_META + _turn("copied", COPY_MS, _turn_id(-1000)), MIGRATED_META):
        data = copy + OWN_DATED + _turn("late", COPY_MS + 20, _turn_id(-5))

        assert [event.text for event in _talk(tmp_path, data).events if event.kind == "user"] == ["own", "late"]
        assert _facts(tmp_path, data).content_lines == 4


def test_fork_began_its_last_turn_when_it_was_copied_unless_it_has_one_of_its_own(tmp_path: Path) -> None:
    """That is what Codex's live rows say, too: whoever forks a thread is there."""
    for copy in (DATED_COPY, MIGRATED_META + _turn("copied", COPY_MS, _turn_id(-1000))):
        assert _facts(tmp_path, copy).turn_started_at_ms == COPY_MS
        assert _facts(tmp_path, copy + OWN_DATED).turn_started_at_ms == COPY_MS + 8


@pytest.mark.parametrize("cut", range(0, len(MIGRATED_META + DATED_COPY + OWN_DATED), 211))
def test_migrated_fork_that_is_read_in_two_passes_is_read_as_if_at_once(tmp_path: Path, cut: int) -> None:
    whole = MIGRATED_META + CONTEXT + _turn("copied", COPY_MS, _turn_id(-1000)) + OWN_DATED
    path = write_rollout(tmp_path, whole[:cut])
    first = read_rollout(tmp_path, listed(tmp_path, path), None, redact=unchanged)
    path.write_bytes(whole)
    second = read_rollout(tmp_path, listed(tmp_path, path), first.checkpoint, redact=unchanged)

    assert second.facts == _facts(tmp_path, whole)


def test_what_stands_before_a_copied_turn_is_not_told_either(tmp_path: Path) -> None:
    """A migrated fork whose parent began before turns had ids, and went on with ids."""
    meta = _line(COPY_MS, "session_meta", id=THREAD, forked_from_id=OTHER_THREAD, cwd="/shop", source="cli")
    data = meta + _turn("undated", COPY_MS, None) + _turn("dated", COPY_MS, _turn_id(-1000))

    assert _talk(tmp_path, data).events == ()
    assert [event.text for event in _talk(tmp_path, data + OWN_DATED).events] == ["own", "answer to own"]


def test_fork_that_names_its_base_copies_nothing(tmp_path: Path) -> None:
    """Whatever its first turn's id says: clocks are set back."""
    base = {"thread_id": OTHER_THREAD, "end_ordinal_exclusive": 7}
    meta = _line(
        COPY_MS, "session_meta", id=THREAD, forked_from_id=OTHER_THREAD, history_base=base, cwd="/shop", source="cli"
    )
    data = meta + _turn("own", COPY_MS, _turn_id(-1000))

    assert [event.text for event in _talk(tmp_path, data).events] == ["own", "answer to own"]
    assert _facts(tmp_path, data).content_lines == 2


@pytest.mark.parametrize(("pause_ms", "is_own"), [(999, False), (1_000, True)])
def test_turn_without_an_id_behind_a_dated_copy_is_own_after_a_long_pause(
    tmp_path: Path, pause_ms: int, is_own: bool
) -> None:
    data = DATED_COPY + _turn("next", COPY_MS + pause_ms, None)

    assert bool(_talk(tmp_path, data).events) == is_own
    assert bool(_facts(tmp_path, data).content_lines) == is_own


def test_copied_line_without_a_stamp_does_not_hide_the_pause_behind_it(tmp_path: Path) -> None:
    undated = b'{"timestamp":"never","type":"world_state","payload":{}}\n'

    assert [event.text for event in _talk(tmp_path, UNDATED_COPY + undated + OWN_UNDATED).events] == [
        "own",
        "answer to own",
    ]


def test_long_line_of_a_copy_is_no_pause_and_is_not_missed(tmp_path: Path) -> None:
    huge = _line(COPY_MS + 12, "response_item/function_call_output", call_id="c", output="x" * (17 << 20))
    data = UNDATED_COPY + huge + _turn("copied too", COPY_MS + 14, None)
    talk = _talk(tmp_path, data)

    assert (talk.events, talk.omitted_events) == ((), 0)
    assert _facts(tmp_path, data).content_lines == 0


def test_turn_id_that_is_no_text_costs_nothing(tmp_path: Path) -> None:
    data = _meta(THREAD) + _line(COPY_MS, "turn_context", cwd="/shop", model="a-model", turn_id=7)

    assert _facts(tmp_path, data).model == "a-model"
