"""Every form of rollout through the whole of `memoryd once`: it is remembered once, whatever form it takes later."""

import re
import threading
from pathlib import Path

from state.rollouts.representation import TOO_LARGE, zstd
from tests.fakes.codex_home import CodexHome, RolloutFile, stamp
from tests.fakes.command import Memoryd
from tests.fakes.compressing import compress_rollout, restore_rollout

WISH = "Please add a login page to the shop. Always use pnpm instead of npm in this project."
OWN_WISH = "Never touch the file legacy.sql in this project."


def _forked(home: CodexHome, parent: RolloutFile) -> RolloutFile:
    """A fork without a word of its own: the parent's lines, stamped anew in one instant."""
    fork = home.session(hours_ago=40)
    for line in parent.path.read_bytes().splitlines(keepends=True):
        head, _, rest = line.partition(b'","type"')
        fork.raw(head[: len(b'{"timestamp":"')] + stamp(fork.at_ms).encode() + b'","type"' + rest)
    return fork


def _parent(home: CodexHome) -> RolloutFile:
    parent = home.session(hours_ago=48)
    parent.user(WISH)
    parent.assistant("Done.")
    return parent


def _memories(answer: dict[str, str]) -> str:
    return "".join(path.read_text(encoding="utf-8") for path in Path(answer["memories_dir"]).glob("scopes/*/MEMORY.md"))


def test_compressed_session_is_remembered_and_cited_like_a_plain_one(home: CodexHome, memoryd: Memoryd) -> None:
    parent = _parent(home)
    compress_rollout(parent.path)
    answer = memoryd.once()

    assert answer["backfill"].items() >= {"files": 1, "indexed": 1, "skipped": 0, "failed": 0}.items()
    assert f"[{parent.thread_id}:2]" in _memories(answer)
    shown = memoryd("threads", "show", parent.thread_id, "--json").json
    assert shown["rollout_path"].endswith(f"{parent.thread_id}.jsonl")


def test_session_that_is_compressed_later_is_not_extracted_again(home: CodexHome, memoryd: Memoryd) -> None:
    parent = _parent(home)
    first = memoryd.once()
    compress_rollout(parent.path)
    second = memoryd.once()
    third = memoryd.once()

    assert second["backfill"].items() >= {"files": 1, "indexed": 1}.items()
    assert second["extraction"]["claimed"] == third["backfill"]["indexed"] == 0
    assert _memories(second) == _memories(first)


def test_session_that_is_restored_and_goes_on_costs_what_is_new(home: CodexHome, memoryd: Memoryd) -> None:
    parent = _parent(home)
    data = parent.path.read_bytes()
    compress_rollout(parent.path)
    memoryd.once()
    restore_rollout(parent.path, data)
    appended = parent.user(OWN_WISH)
    answer = memoryd.once()

    assert answer["backfill"]["bytes"] == appended
    assert "legacy.sql" in _memories(answer)


def test_truncated_compressed_session_is_kept_as_far_as_it_goes_and_shown(home: CodexHome, memoryd: Memoryd) -> None:
    parent = _parent(home)
    squeezed = zstd.compress(parent.path.read_bytes())
    compress_rollout(parent.path).write_bytes(squeezed + zstd.compress(b'{"a":1}\n' * 9)[:-3])
    answer = memoryd.once()
    (trouble,) = memoryd("status", "--json").json["troubled_rollouts"]

    assert answer["backfill"].items() >= {"indexed": 1, "failed": 0}.items()
    assert answer["extraction"]["succeeded"] == 1
    assert (trouble["status"], trouble["reason"]) == ("indexed", "its compressed data ends early")


def test_bomb_costs_itself_and_is_shown(home: CodexHome, memoryd: Memoryd) -> None:
    _parent(home)
    bomb = home.session()
    bomb.path.unlink()
    bomb.path.with_name(bomb.path.name + ".zst").write_bytes(zstd.compress(b"\0" * (1 << 26)) * 64)
    answer = memoryd.once()
    (trouble,) = memoryd("status", "--json").json["troubled_rollouts"]

    assert answer["backfill"].items() >= {"files": 2, "indexed": 1, "skipped": 1, "failed": 0}.items()
    assert answer["extraction"]["succeeded"] == 1
    assert TOO_LARGE in trouble["reason"]


def test_fork_that_adds_nothing_is_not_extracted(home: CodexHome, memoryd: Memoryd) -> None:
    parent = _parent(home)
    fork = _forked(home, parent)
    answer = memoryd.once()

    assert answer["backfill"]["indexed"] == 2
    assert answer["extraction"]["claimed"] == 1
    assert fork.thread_id not in _memories(answer)
    assert memoryd("threads", "show", fork.thread_id, "--json").json["title"] == WISH


def test_fork_is_remembered_for_what_it_says_itself(home: CodexHome, memoryd: Memoryd) -> None:
    parent = _parent(home)
    fork = _forked(home, parent)
    memoryd.once()
    fork.user(OWN_WISH)
    answer = memoryd.once()
    cited = set(re.findall(rf"\[{fork.thread_id}:(\d+)\]", _memories(answer)))

    assert answer["extraction"].items() >= {"claimed": 1, "succeeded": 1}.items()
    assert cited == {"5"}


def test_home_that_is_deleted_while_it_is_read_costs_what_is_gone(home: CodexHome, memoryd: Memoryd) -> None:
    """Files vanish between the listing and the reading; the rest is read, and the rows say what happened."""
    kept = [home.session(hours_ago=500 + number) for number in range(40)]
    doomed = [home.session(hours_ago=3_000 + number) for number in range(400)]
    for rollout in [*kept, *doomed]:
        rollout.user(WISH)
    gone = threading.Event()

    def delete() -> None:
        for rollout in doomed:
            rollout.path.unlink()
            if gone.wait(0.002):
                return

    deleting = threading.Thread(target=delete)
    deleting.start()
    try:
        answer = memoryd("once", "--only", "backfill", "--json")
    finally:
        deleting.join()
        gone.set()
    assert answer.code == 0
    for folder in {rollout.path.parent for rollout in doomed}:
        if not any(folder.iterdir()):
            folder.rmdir()
    after = memoryd("once", "--only", "backfill", "--json").json["backfill"]
    status = memoryd("status", "--json").json

    assert after.items() >= {"files": 40, "failed": 0, "skipped": 0}.items()
    assert status["backfill"]["files_by_status"]["indexed"] == 40
    assert {file["reason"] for file in status["troubled_rollouts"]} <= {"the file is gone"}
