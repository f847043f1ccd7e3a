"""One pass reads what is new, says what it could not use, and starts over when the file is not the same any more."""

import os
from pathlib import Path

import attrs
import pytest

from state.rollouts.fold_state import FORMAT, FoldState, state_to_bytes
from state.rollouts.model import Checkpoint, RolloutReading
from state.rollouts.read import read_rollout
from state.rollouts.regular import plain_reason
from state.rollouts.representation import PROOF_BYTES
from tests.unit.state.rollouts.transcript import (
    THREAD,
    agent,
    listed,
    session_meta,
    token_count,
    unchanged,
    user,
    without_hunter,
    write_rollout,
)


def _read(codex_home: Path, path: Path, previous: Checkpoint | None = None) -> RolloutReading:
    return read_rollout(codex_home, listed(codex_home, path), previous, redact=unchanged)


def _append(path: Path, data: bytes) -> None:
    with path.open("ab") as file:
        file.write(data)


def test_reading_says_what_was_read(tmp_path: Path) -> None:
    data = session_meta() + user("words")
    path = write_rollout(tmp_path, data)
    os.utime(path, ns=(1, 1_700_000_000_123_456_789))
    reading = _read(tmp_path, path)

    assert reading.facts is not None
    assert (reading.facts.thread_id, reading.facts.title) == (THREAD, "words")
    assert (reading.refusal, reading.remark) == (None, None)
    assert (reading.size_bytes, reading.mtime_ns) == (len(data), 1_700_000_000_123_456_789)
    assert (reading.continued, reading.bytes_read, reading.lines_skipped) == (False, len(data), 0)
    assert reading.checkpoint.offset_bytes == len(data)


def test_appended_file_continues_where_it_stopped(tmp_path: Path) -> None:
    path = write_rollout(tmp_path, session_meta() + user("words"))
    first = _read(tmp_path, path)
    more = agent("done") + token_count(7)
    _append(path, more)
    second = _read(tmp_path, path, first.checkpoint)
    anew = _read(tmp_path, path)

    assert (second.continued, second.bytes_read) == (True, len(more))
    assert attrs.evolve(second, continued=False, bytes_read=anew.bytes_read) == anew


def test_unchanged_file_is_not_read_again(tmp_path: Path) -> None:
    path = write_rollout(tmp_path, session_meta() + user("words"))
    first = _read(tmp_path, path)
    second = _read(tmp_path, path, first.checkpoint)

    assert (second.continued, second.bytes_read) == (True, 0)
    assert (second.facts, second.checkpoint) == (first.facts, first.checkpoint)


@pytest.mark.parametrize("filler_bytes", [0, PROOF_BYTES, 3 * PROOF_BYTES])
def test_rewritten_file_is_read_from_its_start(tmp_path: Path, filler_bytes: int) -> None:
    def data(first: str, last: str) -> bytes:
        return session_meta() + user(first) + agent("x" * filler_bytes) + agent(last)

    path = write_rollout(tmp_path, data("one", "two"))
    before = _read(tmp_path, path)
    for first, last in [("uno", "two"), ("one", "due")]:
        path.write_bytes(data(first, last) + agent("more"))
        after = _read(tmp_path, path, before.checkpoint)

        assert not after.continued
        assert after == _read(tmp_path, path)


def test_truncated_file_is_read_from_its_start(tmp_path: Path) -> None:
    path = write_rollout(tmp_path, session_meta() + user("words") + agent("done"))
    before = _read(tmp_path, path)
    path.write_bytes(session_meta() + user("other"))
    after = _read(tmp_path, path, before.checkpoint)

    assert not after.continued
    assert after.facts is not None
    assert (after.facts.title, after.facts.content_lines) == ("other", 1)


@pytest.mark.parametrize(
    "fold", [b"", b"garbage", state_to_bytes(FoldState()).replace(b'"format":%d' % FORMAT, b'"format":0')]
)
def test_checkpoint_of_another_version_is_not_used(tmp_path: Path, fold: bytes) -> None:
    path = write_rollout(tmp_path, session_meta() + user("words"))
    reading = _read(tmp_path, path)
    again = _read(tmp_path, path, attrs.evolve(reading.checkpoint, fold=fold))

    assert again == reading


def test_torn_last_line_is_read_again_when_it_is_complete(tmp_path: Path) -> None:
    whole = user("words")
    path = write_rollout(tmp_path, session_meta() + whole[:60])
    torn = _read(tmp_path, path)
    _append(path, whole[60:])
    complete = _read(tmp_path, path, torn.checkpoint)

    assert torn.facts is not None
    assert (torn.facts.title, torn.remark, torn.lines_skipped) == ("", "last line is torn", 0)
    assert torn.checkpoint.offset_bytes == len(session_meta())
    assert complete.continued
    assert complete.facts is not None
    assert (complete.facts.title, complete.remark, complete.lines_skipped) == ("words", None, 0)


def test_whole_last_line_is_taken_in_without_its_line_feed(tmp_path: Path) -> None:
    data = session_meta() + user("words")
    path = write_rollout(tmp_path, data[:-1])
    unended = _read(tmp_path, path)
    _append(path, b"\n" + agent("done"))
    ended = _read(tmp_path, path, unended.checkpoint)

    assert unended.facts is not None
    assert (unended.facts.title, unended.remark) == ("words", None)
    assert unended.checkpoint.offset_bytes == len(data) - 1
    assert ended.continued
    assert ended.facts == _read(tmp_path, path).facts


def test_line_that_was_glued_to_a_whole_one_is_read(tmp_path: Path) -> None:
    """A writer that died between a line and its line feed leaves this to the next one."""
    path = write_rollout(tmp_path, session_meta()[:-1])
    first = _read(tmp_path, path)
    _append(path, user("words"))
    second = _read(tmp_path, path, first.checkpoint)

    assert second.facts is not None
    assert (second.facts.cwd, second.facts.title) == ("/home/ann/shop", "words")


def test_bad_lines_are_remarked_and_counted_over_all_passes(tmp_path: Path) -> None:
    path = write_rollout(tmp_path, session_meta() + b"\xff\nnot JSON\nnor this\n")
    first = _read(tmp_path, path)
    _append(path, b"\xfe\n")
    second = _read(tmp_path, path, first.checkpoint)

    assert (first.lines_skipped, first.remark) == (3, "1 line is not UTF-8; 2 lines are not understood")
    assert (second.lines_skipped, second.remark) == (4, "2 lines are not UTF-8; 2 lines are not understood")


def test_oversized_line_costs_that_line_and_is_remarked(tmp_path: Path) -> None:
    path = write_rollout(tmp_path, session_meta() + agent("x" * (17 << 20)) + user("words"))
    reading = _read(tmp_path, path)

    assert reading.facts is not None
    assert (reading.facts.title, reading.facts.content_lines) == ("words", 2)
    assert (reading.lines_skipped, reading.remark) == (1, "1 line is longer than 16 MiB")


@pytest.mark.parametrize(
    ("data", "refusal"),
    [
        (b"", "empty session file: "),
        (b"\n \n\r\n", "empty session file: "),
        (b"   ", "empty session file: "),
        (b"not JSON\n", "no JSON line in session file: "),
        (b"\xff\xfe", "no JSON line in session file: "),
        (b'{"timestamp":', "no JSON line in session file: "),
        (b'{"type":"no_such_kind"}\n', "rollout missing metadata builder: "),
        (user("words"), "rollout missing metadata builder: "),
    ],
)
def test_file_without_a_thread_is_refused_with_its_path(tmp_path: Path, data: bytes, refusal: str) -> None:
    path = write_rollout(tmp_path, data, name="rollout-nameless.jsonl")
    reading = _read(tmp_path, path)

    assert reading.facts is None
    assert reading.refusal == f"{refusal}{path}"


def test_refused_file_is_taken_up_when_it_has_become_a_thread(tmp_path: Path) -> None:
    path = write_rollout(tmp_path, user("words"), name="rollout-nameless.jsonl")
    refused = _read(tmp_path, path)
    _append(path, session_meta())
    accepted = _read(tmp_path, path, refused.checkpoint)

    assert accepted.continued
    assert accepted.refusal is None
    assert accepted.facts is not None
    assert (accepted.facts.thread_id, accepted.facts.title) == (THREAD, "words")


def test_no_secret_is_in_a_reading(tmp_path: Path) -> None:
    path = write_rollout(tmp_path, session_meta(cwd="/hunter2") + user("say hunter2"))
    reading = read_rollout(tmp_path, listed(tmp_path, path), None, redact=without_hunter)

    assert reading.facts is not None
    assert reading.facts.title == "say [gone]"
    assert "hunter2" not in repr(reading)


def test_what_is_appended_while_reading_is_left_to_the_next_pass(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = session_meta() + user("words")
    path = write_rollout(tmp_path, data)
    real = os.fstat

    def fstat(descriptor: int) -> os.stat_result:
        status = real(descriptor)
        _append(path, agent("meanwhile"))
        return status

    found = listed(tmp_path, path)
    monkeypatch.setattr(os, "fstat", fstat)
    reading = read_rollout(tmp_path, found, None, redact=unchanged)
    monkeypatch.undo()

    assert reading.size_bytes == reading.checkpoint.offset_bytes == len(data)
    assert _read(tmp_path, path, reading.checkpoint).bytes_read == len(agent("meanwhile"))


def test_symbolic_link_is_refused(tmp_path: Path) -> None:
    target = write_rollout(tmp_path, session_meta(), folder="elsewhere")
    found = attrs.evolve(listed(tmp_path, target), path="linked.jsonl")
    (tmp_path / "linked.jsonl").symlink_to(target)
    with pytest.raises(OSError, match="symbolic links") as refused:
        read_rollout(tmp_path, found, None, redact=unchanged)

    assert plain_reason(refused.value) == "a symbolic link, which is not followed"


def test_pipe_is_refused_without_waiting_for_its_writer(tmp_path: Path) -> None:
    found = attrs.evolve(listed(tmp_path, write_rollout(tmp_path, b"")), path="pipe.jsonl")
    os.mkfifo(tmp_path / "pipe.jsonl")
    with pytest.raises(OSError, match="not a regular file") as refused:
        read_rollout(tmp_path, found, None, redact=unchanged)

    assert plain_reason(refused.value) == "not a regular file"


def test_vanished_file_is_said_to_be_gone(tmp_path: Path) -> None:
    path = write_rollout(tmp_path, session_meta())
    found = listed(tmp_path, path)
    path.unlink()
    with pytest.raises(FileNotFoundError) as gone:
        read_rollout(tmp_path, found, None, redact=unchanged)

    assert plain_reason(gone.value) == "it is gone"


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_file_that_may_not_be_read_is_said_to_be_so(tmp_path: Path) -> None:
    path = write_rollout(tmp_path, session_meta())
    path.chmod(0)
    with pytest.raises(PermissionError) as refused:
        _read(tmp_path, path)

    assert plain_reason(refused.value) == "no permission to read it"


def test_every_file_is_closed_again(tmp_path: Path) -> None:
    path = write_rollout(tmp_path, session_meta())
    os.mkfifo(tmp_path / "pipe.jsonl")
    pipe = attrs.evolve(listed(tmp_path, path), path="pipe.jsonl")
    before = len(os.listdir("/dev/fd"))
    _read(tmp_path, path)
    with pytest.raises(OSError, match="regular"):
        read_rollout(tmp_path, pipe, None, redact=unchanged)

    assert len(os.listdir("/dev/fd")) == before


def test_rare_error_is_told_in_the_system_s_words() -> None:
    assert plain_reason(OSError(71, "Protocol error")) == "Protocol error"
    assert plain_reason(OSError("only words")) == "only words"
