"""A rollout reads the same in its plain and in its compressed form, and damage costs what is damaged."""

import os
import threading
from pathlib import Path

import attrs
import pytest

from state.rollouts import representation
from state.rollouts.conversation import read_conversation
from state.rollouts.find import find_rollouts
from state.rollouts.model import Checkpoint, RolloutReading
from state.rollouts.read import read_rollout
from state.rollouts.representation import (
    DAMAGED,
    ENDS_EARLY,
    EXPANSION_BYTES_FREE,
    LOOKS_MAX,
    PIECE_BYTES,
    TOO_LARGE,
    TOO_WIDE,
    open_rollout,
    zstd,
)
from tests.unit.state.rollouts.transcript import (
    THREAD,
    agent,
    event,
    session_meta,
    unchanged,
    user,
    write_rollout,
)

TALK = session_meta() + user("words") + agent("done", second=1)


def _compress(path: Path, data: bytes | None = None) -> Path:
    """Put the compressed form in place, take the plain one away, and keep its time, as Codex does."""
    status = path.stat()
    compressed = path.with_name(path.name + ".zst")
    compressed.write_bytes(zstd.compress(path.read_bytes()) if data is None else data)
    os.utime(compressed, ns=(status.st_atime_ns, status.st_mtime_ns))
    path.unlink()
    return compressed


def _read(codex_home: Path, previous: Checkpoint | None = None) -> RolloutReading:
    ((found,), unreadable) = find_rollouts(codex_home)
    assert unreadable == []
    return read_rollout(codex_home, found, previous, redact=unchanged)


def _noise(size_bytes: int) -> bytes:
    """A line of that size which says nothing and does not compress."""
    return event("noise", text=os.urandom(size_bytes // 2).hex())


@pytest.mark.parametrize("filler_bytes", [0, 5_000, PIECE_BYTES, 3 * PIECE_BYTES + 1])
def test_compressed_form_says_what_the_plain_one_says(tmp_path: Path, filler_bytes: int) -> None:
    path = write_rollout(tmp_path, session_meta() + _noise(filler_bytes) + TALK)
    plain = _read(tmp_path)
    compressed = _compress(path)
    reading = _read(tmp_path)

    assert attrs.evolve(reading, size_bytes=plain.size_bytes) == plain
    assert reading.size_bytes == compressed.stat().st_size


def test_rollout_is_known_by_its_plain_name(tmp_path: Path) -> None:
    path = write_rollout(tmp_path, TALK)
    _compress(path)
    ((found,), _) = find_rollouts(tmp_path)

    assert found.path == str(path.relative_to(tmp_path))


def test_plain_form_goes_before_the_compressed_one(tmp_path: Path) -> None:
    path = write_rollout(tmp_path, session_meta() + user("compressed"))
    _compress(path)
    write_rollout(tmp_path, session_meta() + user("plain"))
    reading = _read(tmp_path)

    assert reading.facts is not None
    assert reading.facts.title == "plain"


@pytest.mark.parametrize("wanted", ["file", "folder"])
def test_compressed_form_is_found_where_one_looks_for_the_rollout(tmp_path: Path, wanted: str) -> None:
    path = write_rollout(tmp_path, TALK)
    _compress(path)
    place = path if wanted == "file" else path.parent
    found, _ = find_rollouts(tmp_path, [str(place.relative_to(tmp_path))])

    assert found == find_rollouts(tmp_path)[0]
    assert len(found) == 1


def test_rollout_that_becomes_plain_again_and_grows_is_read_on_from_where_it_was(tmp_path: Path) -> None:
    path = write_rollout(tmp_path, TALK)
    compressed = _compress(path)
    first = _read(tmp_path)
    compressed.unlink()
    more = user("more", second=2)
    path.write_bytes(TALK + more)
    second = _read(tmp_path, first.checkpoint)

    assert (second.continued, second.bytes_read) == (True, len(more))


def test_conversation_is_the_same_in_both_forms(tmp_path: Path) -> None:
    path = write_rollout(tmp_path, TALK)
    where = str(path.relative_to(tmp_path))
    plain = read_conversation(tmp_path, where, THREAD, redact=unchanged)
    _compress(path)

    assert read_conversation(tmp_path, where, THREAD, redact=unchanged) == plain
    assert [event.line for event in plain.events] == [2, 3]


def test_frames_one_behind_the_other_are_one_text(tmp_path: Path) -> None:
    path = write_rollout(tmp_path, TALK)
    plain = _read(tmp_path)
    skipped = bytes.fromhex("502a4d18") + (3).to_bytes(4, "little") + b"abc"  # a frame that holds no text
    _compress(path, zstd.compress(TALK[:100]) + skipped + zstd.compress(b"") + zstd.compress(TALK[100:]))

    assert _read(tmp_path).facts == plain.facts


def test_truncated_data_costs_what_is_missing_and_says_so(tmp_path: Path) -> None:
    path = write_rollout(tmp_path, TALK + _noise(4 * PIECE_BYTES) + user("lost"))
    data = zstd.compress(path.read_bytes())
    _compress(path, data[: len(data) // 2])
    reading = _read(tmp_path)

    assert reading.facts is not None
    assert reading.facts.title == "words"
    assert reading.remark == ENDS_EARLY
    assert reading.checkpoint.offset_bytes == len(TALK)


def test_data_that_was_cut_at_its_very_beginning_is_refused_with_the_reason(tmp_path: Path) -> None:
    path = write_rollout(tmp_path, TALK)
    _compress(path, zstd.compress(TALK)[:10])
    reading = _read(tmp_path)

    assert reading.facts is None
    assert reading.refusal is not None
    assert reading.refusal.startswith(f"{ENDS_EARLY}: ")


def test_damaged_data_costs_what_comes_after_it(tmp_path: Path) -> None:
    path = write_rollout(tmp_path, TALK)
    _compress(path, zstd.compress(TALK) + b"no frame at all")
    reading = _read(tmp_path)

    assert reading.facts is not None
    assert reading.remark == DAMAGED


def test_text_that_is_made_to_be_too_large_is_not_read_to_its_end(tmp_path: Path) -> None:
    path = write_rollout(tmp_path, TALK)
    bomb = zstd.compress(TALK) + zstd.compress(bytes(2 * EXPANSION_BYTES_FREE))
    _compress(path, bomb)
    reading = _read(tmp_path)

    assert reading.facts is not None
    assert reading.remark == TOO_LARGE
    assert reading.bytes_read < 2 * EXPANSION_BYTES_FREE


def test_file_of_nothing_but_frames_is_not_read_to_its_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(representation, "EXPANSION_BYTES_FREE", 0)
    monkeypatch.setattr(representation, "EXPANSION_MAX", 4)
    path = write_rollout(tmp_path, TALK)
    _compress(path, zstd.compress(TALK) + zstd.compress(b"") * 1_000)
    reading = _read(tmp_path)

    assert reading.facts is not None
    assert reading.remark == TOO_LARGE


def test_name_that_is_too_long_for_the_other_form_is_gone_like_any_other(tmp_path: Path) -> None:
    name = f"rollout-{'x' * 240}.jsonl"
    with pytest.raises(FileNotFoundError):
        open_rollout(str(tmp_path / name))

    (tmp_path / "sessions").mkdir()
    assert find_rollouts(tmp_path, [f"sessions/{name}"]) == ([], [])


def test_frame_that_wants_too_much_memory_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(representation, "WINDOW_LOG_MAX", 20)
    path = write_rollout(tmp_path, TALK)
    wide: dict[int, int] = {zstd.CompressionParameter.window_log: 25}
    _compress(path, zstd.compress(TALK + _noise(64 * PIECE_BYTES), options=wide))

    assert _read(tmp_path).refusal == f"{TOO_WIDE}: {path}"


def test_conversation_says_that_its_end_is_not_known(tmp_path: Path) -> None:
    path = write_rollout(tmp_path, TALK)
    _compress(path, zstd.compress(TALK) + b"no frame at all")
    talk = read_conversation(tmp_path, str(path.relative_to(tmp_path)), THREAD, redact=unchanged)

    assert len(talk.events) == 2
    assert talk.damage == DAMAGED


def test_rollout_that_is_gone_is_gone_in_both_forms(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        open_rollout(str(tmp_path / "rollout-x.jsonl"))


def test_rollout_that_changes_its_form_again_and_again_is_always_found(tmp_path: Path) -> None:
    path = write_rollout(tmp_path, TALK)
    compressed = path.with_name(path.name + ".zst")
    done = threading.Event()

    def change() -> None:
        aside = tmp_path / "aside"
        while not done.is_set():
            aside.write_bytes(zstd.compress(TALK))
            aside.rename(compressed)
            path.unlink()
            aside.write_bytes(TALK)
            aside.rename(path)
            compressed.unlink()

    writer = threading.Thread(target=change, name="changes the form")
    writer.start()
    try:
        for _ in range(300):
            with open_rollout(str(path), looks_max=LOOKS_MAX) as file:
                assert sum(1 for _ in file.lines(0)) == 1
    finally:
        done.set()
        writer.join()


def test_link_is_not_followed_in_either_form(tmp_path: Path) -> None:
    elsewhere = write_rollout(tmp_path, TALK, folder="elsewhere")
    link = tmp_path / "sessions" / f"{elsewhere.name}.zst"
    link.parent.mkdir()
    link.symlink_to(_compress(elsewhere))
    found, (refused,) = find_rollouts(tmp_path)

    assert found == []
    assert refused.reason == "a symbolic link, which is not followed"
