"""A thread's turns come from all the files that hold its history, in any form."""

from pathlib import Path

import pytest

from state.ids import ThreadId
from state.rollouts.representation import zstd
from state.rollouts.turns import HistoryBase, HistoryPart, history_base, read_turns
from tests.fakes.readings import thread_id
from tests.fakes.rollout_lines import event, meta, newer, said

PARENT, CHILD = thread_id(1), thread_id(2)
BASE = {"thread_id": PARENT, "end_ordinal_exclusive": 4, "end_byte_offset": 100}


def written(folder: Path, name: str, lines: list[bytes]) -> str:
    (folder / name).write_bytes(b"".join(line + b"\n" for line in lines))
    return name


def test_fork_shows_what_it_shares_and_then_its_own(tmp_path: Path) -> None:
    parent = written(tmp_path, "parent.jsonl", newer(PARENT, [[said("shared")], [said("not shared", 2)]]))
    child = written(tmp_path, "child.jsonl", newer(CHILD, [[said("own", 3)]], first=4, history_base=BASE))

    assert history_base(tmp_path, child) == HistoryBase(thread_id=ThreadId(PARENT), ordinal_end=4)
    assert history_base(tmp_path, parent) is None
    told = read_turns(tmp_path, [HistoryPart(path=parent, ordinal_end=4), HistoryPart(path=child)])
    assert [one.item["content"][0]["text"] for turn in told.turns for one in turn.items] == ["shared", "own"]


def test_shared_part_that_is_gone_costs_only_itself(tmp_path: Path) -> None:
    child = written(tmp_path, "child.jsonl", newer(CHILD, [[said("own")]], first=4, history_base=BASE))

    told = read_turns(tmp_path, [HistoryPart(path="gone.jsonl", ordinal_end=4), HistoryPart(path=child)])
    assert [turn.id for turn in told.turns] == ["turn-5"]
    assert told.damage is not None
    with pytest.raises(FileNotFoundError):
        read_turns(tmp_path, [HistoryPart(path="gone.jsonl")])


def test_compressed_file_and_one_with_a_torn_end_are_read(tmp_path: Path) -> None:
    lines = [meta(PARENT), event("user_message", message="a"), b'{"timestamp":"x","type":"event_msg","payl']
    (tmp_path / "old.jsonl.zst").write_bytes(zstd.compress(b"\n".join(lines)))

    assert history_base(tmp_path, "old.jsonl") is None
    assert [turn.id for turn in read_turns(tmp_path, [HistoryPart(path="old.jsonl")]).turns] == ["rollout-1"]
