"""The line by which a legacy rollout learns of an edit, as Codex 0.169.0 writes it."""

from pathlib import Path

import msgspec
import pytest

from state.rollouts.meta_line import MetaError, first_meta, meta_line
from tests.unit.state.rollouts.transcript import OTHER_THREAD, THREAD, listed, session_meta, user, write_rollout

AT_MS = 1_795_168_800_456
KEPT = {"sha": "abc", "branch": None, "origin_url": "https://x"}


def test_line_has_the_members_of_the_first_one_in_codex_s_order() -> None:
    first = {
        "id": THREAD,
        "cwd": "/",
        "base_instructions": {"text": "be kind"},
        "git": {"branch": "old"},
        "memory_mode": "enabled",
        "history_mode": "legacy",
        "context_window": {"window_id": "w"},
        "of_a_newer_version": 1.5,
    }
    line = meta_line(first, memory_mode="disabled", git=KEPT, at_ms=AT_MS)
    assert line == (
        b'{"timestamp":"2026-11-20T10:00:00.456Z","type":"session_meta","payload":{"session_id":"%b","id":"%b","cwd":"/",'
        b'"base_instructions":{"text":"be kind"},"of_a_newer_version":1.5,"memory_mode":"disabled",'
        b'"history_mode":"legacy","context_window":{"window_id":"w"},'
        b'"git":{"commit_hash":"abc","repository_url":"https://x"}}}'
    ) % (THREAD.encode(), THREAD.encode())


def test_cleared_triple_is_an_empty_one_and_an_unspoken_one_is_none() -> None:
    nothing = {"sha": None, "branch": None, "origin_url": None}
    for git, written in ((nothing, {}), (None, "absent")):
        line = msgspec.json.decode(meta_line({"id": THREAD}, memory_mode="enabled", git=git, at_ms=AT_MS))
        assert line["payload"].get("git", "absent") == written
        assert (line["payload"]["base_instructions"], line["payload"]["history_mode"]) == (None, "legacy")


def test_first_meta_is_found_behind_lines_that_are_none(tmp_path: Path) -> None:
    found = write_rollout(tmp_path, b"garbage\n" + user("hi") + session_meta(cwd="/one") + session_meta(cwd="/two"))
    assert first_meta(tmp_path, listed(tmp_path, found).path, THREAD)["cwd"] == "/one"


def test_rollout_of_another_thread_is_refused(tmp_path: Path) -> None:
    found = write_rollout(tmp_path, session_meta(OTHER_THREAD))
    with pytest.raises(MetaError, match=f"id mismatch: expected {THREAD}, found {OTHER_THREAD}"):
        first_meta(tmp_path, listed(tmp_path, found).path, THREAD)
    empty = write_rollout(tmp_path, user("hi"))
    with pytest.raises(MetaError, match="does not start with session metadata"):
        first_meta(tmp_path, listed(tmp_path, empty).path, THREAD)
