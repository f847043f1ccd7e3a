"""The fold of a file is the same however its lines came: at once, in pieces, torn, with their keys shuffled."""

import json
import os
import random
import tempfile
from pathlib import Path
from typing import Any

import attrs
from hypothesis import example, given, settings
from hypothesis import strategies as st

from state.rollouts.filename import RolloutName
from state.rollouts.fold import Fold
from state.rollouts.fold_state import FoldState, redacted, state_from_bytes, state_to_bytes, thread_facts
from state.rollouts.lines import LineRun, read_lines
from state.rollouts.model import Checkpoint, FoundRollout, ThreadFacts
from state.rollouts.read import read_rollout
from state.rollouts.representation import ENDS_EARLY, PROOF_BYTES, zstd

THREAD = "01990000-0000-7000-8000-000000000001"
OTHER_THREAD = "01990000-0000-7000-8000-000000000002"
NAME = f"rollout-2026-11-20T09-00-00-{THREAD}.jsonl"
SECRET = "hunter2"

in_any_time = settings(deadline=None)
"""How long an example takes is no law here, and a busy machine would break it."""


def redact(text: str) -> str:
    return text.replace(SECRET, "[gone]")


words = st.sampled_from(
    ["", " ", "words", "żółć 世界 😀", f"say {SECRET}", "\0", 'a "b" \\ {"type":"x"}', "\ud800", "x" * 300]
)
maybe_words = st.none() | words
stamps = st.sampled_from(
    ["2026-11-20T10:00:00.000Z", "2026-11-20T10:00:01.5+02:00", "2026-11-20T10-00-02", "yesterday", ""]
)
parts = st.lists(st.fixed_dictionaries({"type": st.sampled_from(["text", "Text", "image"]), "text": words}), max_size=2)


def payloads(**members: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    """Objects that have each member or not, in any order."""
    return st.fixed_dictionaries({}, optional=members)


session_metas = st.tuples(
    st.just("session_meta"),
    st.builds(
        lambda thread_id, rest: {"id": thread_id, **rest},
        st.sampled_from([THREAD, OTHER_THREAD, THREAD.upper(), "no-uuid"]),
        payloads(
            timestamp=stamps,
            cwd=maybe_words,
            source=st.sampled_from(
                ["cli", {"custom": SECRET}, {"subagent": {"thread_spawn": {"parent_thread_id": "p"}}}]
            ),
            model_provider=maybe_words,
            memory_mode=st.sampled_from([None, "disabled", "enabled"]),
            git=st.none() | payloads(branch=maybe_words, commit_hash=maybe_words),
            agent_role=maybe_words,
            dynamic_tools=st.just([{"name": "t", "description": SECRET, "inputSchema": {"a": 1}}]),
        ),
    ),
)
contexts = st.tuples(
    st.just("turn_context"),
    payloads(
        cwd=maybe_words,
        approval_policy=st.sampled_from(["never", "on-failure", {"granular": {}}, 7]),
        permission_profile=st.sampled_from([None, {"type": "disabled"}]),
        sandbox_policy=st.sampled_from([None, {"type": "workspace-write"}, {"mode": "read-only"}]),
        model=maybe_words,
        effort=maybe_words,
    ),
)
events = st.tuples(
    st.just("event_msg"),
    st.one_of(
        payloads(message=words, images=st.just(["x"])).map(lambda rest: {"type": "user_message", **rest}),
        words.map(lambda text: {"type": "agent_message", "message": text}),
        st.sampled_from([5, -5, None]).map(
            lambda total: {
                "type": "token_count",
                "info": None if total is None else {"total_token_usage": {"total_tokens": total}},
            }
        ),
        words.map(lambda text: {"type": "thread_goal_updated", "goal": {"objective": text}}),
        payloads(cwd=words, model=words, model_provider_id=words).map(
            lambda rest: {"type": "thread_settings_applied", "thread_settings": rest}
        ),
        st.tuples(st.sampled_from(["UserMessage", "AgentMessage", "Reasoning"]), parts).map(
            lambda item: {"type": "item_completed", "item": {"type": item[0], "content": item[1]}}
        ),
        st.sampled_from(["task_started", "turn_aborted", "no_such_event"]).map(lambda kind: {"type": kind}),
    ),
)
responses = st.tuples(
    st.just("response_item"),
    st.one_of(
        st.tuples(st.sampled_from(["user", "assistant", "developer"]), parts).map(
            lambda said: {"type": "message", "role": said[0], "content": said[1]}
        ),
        words.map(lambda text: {"type": "function_call_output", "call_id": "c", "output": text}),
        st.just({"type": "reasoning"}),
    ),
)


@attrs.frozen
class Written:
    """A line as an object, so that it can be written in more than one way."""

    kind: str
    payload: dict[str, Any]
    stamp: str

    def line(self) -> bytes:
        """As its writer writes it."""
        return _dumped({"timestamp": self.stamp, "type": self.kind, "payload": self.payload})

    def shuffled(self, rng: random.Random) -> bytes:
        """With the keys of line and payload in another order, and blanks between them."""
        payload = dict(rng.sample(list(self.payload.items()), len(self.payload)))
        members = [("timestamp", self.stamp), ("type", self.kind), ("payload", payload)]
        return _dumped(dict(rng.sample(members, 3)), blanks=True)


def _dumped(value: dict[str, Any], *, blanks: bool = False) -> bytes:
    text = json.dumps(value, ensure_ascii=False, separators=(", ", ": ") if blanks else (",", ":"))
    return text.encode("utf-8", "backslashreplace") + b"\n"


understood = st.builds(
    lambda line, stamp: Written(kind=line[0], payload=line[1], stamp=stamp),
    st.one_of(session_metas, contexts, events, responses),
    stamps,
)
junk = st.sampled_from(
    [
        b"\n",
        b" \r\n",
        b"not JSON\n",
        b"\xff\xfe\n",
        b'{"type":7}\n',
        b'{"timestamp":"t","type":"event_msg","payload":{"type"\n',
    ]
)
lines = st.lists(understood.map(Written.line) | junk, max_size=12)


def fold(state: FoldState, taken: list[bytes]) -> FoldState:
    folded = Fold(state)
    folded.take(b"".join(taken))
    return redacted(folded.state, redact)


def facts(state: FoldState) -> ThreadFacts | None:
    return thread_facts(state, RolloutName(0, None))


@in_any_time
@given(lines, st.data())
def test_fold_that_was_stored_continues_to_the_same_facts(taken: list[bytes], data: st.DataObject) -> None:
    cut = data.draw(st.integers(0, len(taken)))
    stored = state_to_bytes(fold(FoldState(), taken[:cut]))
    resumed = state_from_bytes(stored)

    assert resumed is not None
    assert facts(fold(resumed, taken[cut:])) == facts(fold(FoldState(), taken))


@in_any_time
@given(lines)
def test_no_stored_state_holds_a_secret(taken: list[bytes]) -> None:
    assert SECRET.encode() not in state_to_bytes(fold(FoldState(), taken))


@in_any_time
@given(lines)
def test_every_fact_can_be_stored(taken: list[bytes]) -> None:
    """SQLite takes no lone surrogates, its text functions stop at NUL, and its integers have 64 bits."""
    found = facts(fold(FoldState(), taken))
    for value in attrs.astuple(found) if found is not None else ():
        if isinstance(value, str):
            assert "\0" not in value
            value.encode()
        if isinstance(value, int):
            assert -(1 << 63) <= value < 1 << 63


@in_any_time
@given(st.lists(understood, max_size=12), st.randoms(use_true_random=False))
def test_order_of_keys_changes_no_fact(taken: list[Written], rng: random.Random) -> None:
    """Only the digest differs, which is over the bytes of the lines."""
    usual = facts(fold(FoldState(), [written.line() for written in taken]))
    shuffled = facts(fold(FoldState(), [written.shuffled(rng) for written in taken]))

    if usual is None or shuffled is None:
        assert usual is shuffled
    else:
        assert attrs.evolve(shuffled, content_digest=usual.content_digest) == usual


@in_any_time
@given(st.lists(st.binary(max_size=60).map(lambda text: text.replace(b"\n", b"")), max_size=6))
@example(
    [b'{"timestamp":"', b'{"timestamp":"","type":"message', b'{"timestamp":"t","type":"event_msg","payload":{"type":"}']
)
@example([b'{"timestamp":"t","type":"response_item","payload":{"type":"message","role":"}'])
@example([b'{"timestamp":"t","type":"event_msg","payload":{"type":"item_completed","item":{"type":"}'])
@example([b'{"timestamp":"\xff","type":"event_msg","payload":{"type":"agent_message"}}'])
def test_fold_takes_any_bytes(texts: list[bytes]) -> None:
    folded = Fold(FoldState())
    folded.take(b"".join(text + b"\n" for text in texts))
    for text in texts:
        folded.take_oversized(text, 20_000_000)
    counted = folded.state.lines_understood + folded.state.lines_skipped

    assert counted == 2 * len(texts) - sum(not text.strip() for text in texts)


def near(boundaries: list[int], size: int) -> st.SearchStrategy[int]:
    """Places in a file, mostly at and beside its boundaries."""
    places = {place + step for place in boundaries for step in (-1, 0, 1) if 0 <= place + step <= size}
    return st.sampled_from(sorted(places)) | st.integers(0, size)


@in_any_time
@given(lines, st.data())
def test_file_that_grows_in_any_steps_is_read_as_if_at_once(taken: list[bytes], data: st.DataObject) -> None:
    """A long first line puts the boundaries of the proof inside the file."""
    taken = [_dumped({"type": "world_state", "padding": "x" * data.draw(st.sampled_from([0, PROOF_BYTES]))}), *taken]
    whole = b"".join(taken)
    ends = [sum(map(len, taken[:count])) for count in range(len(taken) + 1)]
    steps = sorted(data.draw(st.lists(near([*ends, PROOF_BYTES], len(whole)), max_size=4)))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, NAME)
        checkpoint: Checkpoint | None = None
        for end in [*steps, len(whole)]:
            path.write_bytes(whole[:end])
            checkpoint = (reading := read_rollout(Path(folder), _found(), checkpoint, redact=redact)).checkpoint
        at_once = read_rollout(Path(folder), _found(), None, redact=redact)

        assert (reading.facts, reading.refusal) == (at_once.facts, at_once.refusal)
        assert reading.checkpoint.offset_bytes == at_once.checkpoint.offset_bytes == len(whole)


@in_any_time
@given(lines, st.data())
def test_file_that_grows_and_changes_its_form_in_any_steps_is_read_as_if_at_once(
    taken: list[bytes], data: st.DataObject
) -> None:
    """At each step the file is plain or compressed, in frames that end anywhere."""
    whole = b"".join(taken)
    ends = [sum(map(len, taken[:count])) for count in range(len(taken) + 1)]
    steps = sorted(data.draw(st.lists(near(ends, len(whole)), max_size=4)))
    with tempfile.TemporaryDirectory() as folder:
        plain, compressed = Path(folder, NAME), Path(folder, f"{NAME}.zst")
        checkpoint: Checkpoint | None = None
        for end in [*steps, len(whole)]:
            plain.unlink(missing_ok=True)
            compressed.unlink(missing_ok=True)
            if data.draw(st.booleans()):
                border = data.draw(near(ends, end) if end else st.just(0))
                compressed.write_bytes(zstd.compress(whole[:border]) + zstd.compress(whole[border:end]))
            else:
                plain.write_bytes(whole[:end])
            checkpoint = (reading := read_rollout(Path(folder), _found(), checkpoint, redact=redact)).checkpoint
        plain.write_bytes(whole)
        at_once = read_rollout(Path(folder), _found(), None, redact=redact)

        assert (reading.facts, reading.refusal) == (at_once.facts, at_once.refusal)
        assert reading.checkpoint == at_once.checkpoint


@in_any_time
@given(lines, st.data())
def test_compressed_file_that_is_cut_anywhere_says_what_its_beginning_says(
    taken: list[bytes], data: st.DataObject
) -> None:
    """One frame a line, so that a cut leaves some lines whole; the line of the frame that is cut may be whole too."""
    frames = [zstd.compress(line) for line in taken]
    size = sum(map(len, frames))
    ends = [sum(map(len, frames[:count])) for count in range(len(frames) + 1)]
    cut = data.draw(near(ends, size))
    whole_lines = sum(end <= cut for end in ends) - 1
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, f"{NAME}.zst").write_bytes(b"".join(frames)[:cut])
        reading = read_rollout(Path(folder), _found(), None, redact=redact)
        beginnings = []
        for count in (whole_lines, whole_lines + 1):
            Path(folder, NAME).write_bytes(b"".join(taken[:count]))
            beginnings.append(read_rollout(Path(folder), _found(), None, redact=redact).facts)

        assert reading.facts in beginnings
        assert (ENDS_EARLY in (reading.remark or "")) == (cut not in ends)


def _found() -> FoundRollout:
    return FoundRollout(path=NAME, archived=False, size_bytes=0, mtime_ns=0, inode=0)


@in_any_time
@given(st.binary(max_size=40).map(lambda data: data.replace(b"\x00", b"\n")), st.integers(1, 12), st.integers(1, 12))
def test_lines_are_those_of_the_file_whatever_the_blocks(data: bytes, block_bytes: int, line_bytes_max: int) -> None:
    *whole, last = data.split(b"\n")
    expected = [(text if len(text) <= line_bytes_max else None, True) for text in whole]
    expected += [(last if len(last) <= line_bytes_max else None, False)] if last else []
    read: list[tuple[bytes | None, bool]] = []
    with tempfile.TemporaryFile() as file:
        file.write(data)
        file.flush()
        for lines in read_lines(file.fileno(), 0, len(data), block_bytes=block_bytes, line_bytes_max=line_bytes_max):
            if isinstance(lines, LineRun):
                read += [(text, True) for text in lines.lines[:-1].split(b"\n")]
            else:
                read.append((None if lines.is_oversized else lines.text, lines.is_terminated))

        assert read == expected
        assert os.lseek(file.fileno(), 0, os.SEEK_CUR) == len(data)
