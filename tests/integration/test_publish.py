"""`memoryd publish codex` and publishing by `once` and `run`, as real processes."""

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import attrs
import pytest

from tests.fakes.codex_home import CodexHome
from tests.fakes.command import Memoryd, wait_for_event

WISH = "Please add a login page to the shop. Always use pnpm instead of npm in this project."
ON = ("--set", "publish.codex=true")


def _published(home: CodexHome) -> dict[str, bytes]:
    return {path: data for path, (_, data) in home.digest().items() if path.startswith("memories")}


@pytest.fixture
def told(home: CodexHome) -> CodexHome:
    """A home with one session that says something worth remembering."""
    home.session().user(WISH)
    return home


def test_nothing_is_published_unless_it_is_asked_for(told: CodexHome, memoryd: Memoryd) -> None:
    answer = memoryd.once()

    assert answer["publishing"] is None
    assert _published(told) == {}
    assert memoryd.ask("status")["publishing"] is None


def test_once_publishes_and_says_what(told: CodexHome, memoryd: Memoryd) -> None:
    first, second = memoryd.once(*ON), memoryd.once(*ON)
    files = _published(told)

    assert first["publishing"] == {
        "written": 4, "restored": 0, "removed": 0, "unchanged": 0, "kept": 0, "problem": None
    }  # fmt: skip
    assert second["publishing"] == first["publishing"] | {"written": 0, "unchanged": 4}
    assert b"pnpm" in files["memories_v2/memory_summary.md"]
    state = memoryd.ask("status", *ON)["publishing"]
    assert (state["codex"], state["files"], state["folder"], state["problem"]) == (True, 4, "memories_v2", None)
    assert "publishing     4 files in memories_v2/" in memoryd("status", *ON).stdout


def test_the_command_publishes_for_this_once_and_says_so(told: CodexHome, memoryd: Memoryd) -> None:
    memoryd.once()
    ended = memoryd("publish", "codex")

    assert ended.code == 0
    assert "written: 4" in ended.stdout
    assert "not kept up to date unless publish.codex = true" in ended.stdout
    undone = memoryd("publish", "codex", "--undo", *ON)
    assert "publish.codex is true, so the next run publishes again" in undone.stdout
    assert not (told.path / "memories_v2").exists()


def test_dry_run_says_what_would_be_done_and_does_nothing(told: CodexHome, memoryd: Memoryd) -> None:
    memoryd.once()
    before = told.digest()
    would = memoryd.ask("publish", "codex", "--dry-run")
    state = sorted(path.name for path in memoryd.state_dir.iterdir())

    assert told.digest() == before
    assert "publish" not in state
    did = memoryd.ask("publish", "codex")
    assert would == did | {"dry_run": True}
    would = memoryd.ask("publish", "codex", "--undo", "--dry-run")
    assert set(would["removed"]) == set(_published(told))
    assert memoryd.ask("publish", "codex", "--undo") == would | {"dry_run": False}
    assert told.digest() == before


def test_before_anything_is_indexed_it_says_so(home: CodexHome, memoryd: Memoryd) -> None:
    ended = memoryd("publish", "codex", "--json")

    assert ended.code == 1
    assert "indexed yet" in ended.json["error"]["message"]
    memoryd.once()
    assert memoryd.ask("publish", "codex")["notes"] == [f"nothing of {home.path} is consolidated yet"]
    assert memoryd("publish", "codex", "--undo").code == 0
    assert home.digest() == {}


def test_undo_needs_no_database(told: CodexHome, memoryd: Memoryd) -> None:
    before = told.digest()
    memoryd.once(*ON)
    (memoryd.state_dir / "state.sqlite").write_bytes(b"garbage" * 1000)

    assert memoryd.ask("publish", "codex", "--undo")["kept"] == []
    assert told.digest() == before


def test_what_is_left_alone_is_in_status_with_what_to_do(told: CodexHome, memoryd: Memoryd) -> None:
    memoryd.once(*ON)
    (told.path / "memories_v2" / "MEMORY.md").write_text("# mine\n")
    memoryd.once(*ON)

    assert "left alone: memories_v2/MEMORY.md: changed since memoryd wrote it; keep your" in memoryd("status").stdout


def test_several_at_once_end_as_one(told: CodexHome, memoryd: Memoryd) -> None:
    memoryd.once()
    processes = [
        subprocess.Popen(
            memoryd.arguments("publish", "codex", "--json"), env=memoryd.environment(), stdout=subprocess.DEVNULL
        )
        for _ in range(4)
    ]
    try:
        assert [process.wait(timeout=60) for process in processes] == [0] * 4
    finally:
        for process in processes:
            process.kill()
            process.wait()
    assert memoryd.ask("publish", "codex")["unchanged"] == 4
    memoryd.ask("publish", "codex", "--undo")
    assert _published(told) == {}


def test_the_service_publishes_what_appears(told: CodexHome, memoryd: Memoryd) -> None:
    with memoryd.running("run", *ON, "--set", "extraction.min_rollout_idle_hours=0") as process:
        entry = wait_for_event(process, "published into the Codex home")
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=20)

        assert process.returncode == 0
    assert entry["folder"] == "memories_v2"
    assert b"pnpm" in _published(told)["memories_v2/memory_summary.md"]


def test_a_killed_publish_is_ended_by_the_next(home: CodexHome, memoryd: Memoryd) -> None:
    for number in range(60):
        home.session(cwd=f"/home/ann/project{number}").user(f"{WISH} This is number {number}.")
    memoryd.once()
    before = home.digest()
    for _ in range(3):
        with memoryd.running("publish", "codex", "--json") as process:
            give_up_at = time.monotonic() + 20
            while not _published(home) and process.poll() is None:
                assert time.monotonic() < give_up_at
            os.kill(process.pid, signal.SIGKILL)
            process.wait(timeout=20)
        assert memoryd.ask("publish", "codex")["kept"] == []
        assert len(_published(home)) == 2 + 2 * 60
        assert memoryd.ask("publish", "codex", "--undo")["kept"] == []
        assert home.digest() == before
        assert not (home.path / "memories_v2").exists()


def _mounted(target: Path, *options: str) -> None:
    done = subprocess.run(["mount", *options, str(target)], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        pytest.skip(f"cannot mount here: {done.stderr.strip()}")


@pytest.fixture
def read_only(told: CodexHome, memoryd: Memoryd) -> Iterator[CodexHome]:
    """The home, on a read-only file system."""
    memoryd.once()
    _mounted(told.path, "--bind", str(told.path))
    try:
        subprocess.run(["mount", "-o", "remount,ro,bind", str(told.path)], check=True)
        yield told
    finally:
        subprocess.run(["umount", "--lazy", str(told.path)], check=False)


def test_a_read_only_home_is_said_plainly_and_loses_nothing(read_only: CodexHome, memoryd: Memoryd) -> None:
    before = read_only.digest()
    ended = memoryd("publish", "codex", "--json")
    again = memoryd("once", "--json", *ON)

    assert ended.code == 1
    assert "read-only file system" in ended.json["error"]["message"]
    assert ended.json["error"]["hint"]
    assert again.code == 1
    assert "read-only file system" in again.json["publishing"]["problem"]
    assert again.json["consolidation"]["unchanged"] == 1
    assert "Traceback" not in ended.stderr + again.stderr
    assert "failed: cannot publish into" in memoryd("status", *ON).stdout
    assert memoryd.ask("publish", "codex", "--dry-run")["written"]
    assert read_only.digest() == before


def test_the_service_goes_on_in_a_read_only_home(read_only: CodexHome, memoryd: Memoryd) -> None:
    with memoryd.running("run", *ON) as process:
        entry = wait_for_event(process, "publishing failed")
        state = memoryd.ask("status", *ON)
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=20)

        assert process.returncode == 0
    assert entry["level"] == "warning"
    assert "read-only" in state["publishing"]["problem"]
    (worker,) = (one for one in state["processes"][0]["workers"] if one["worker"] == "publishing")
    assert (worker["state"], worker["crashes"]) == ("running", 0)


def test_a_folder_without_permission_is_said_plainly(told: CodexHome, memoryd: Memoryd) -> None:
    memoryd.once()
    folder = told.path / "memories_v2"
    folder.mkdir()
    folder.chmod(0o500)
    if os.geteuid() == 0:
        if shutil.which("setpriv") is None:
            pytest.skip("root may write everything, and there is no setpriv to take that away")
        memoryd = attrs.evolve(memoryd, prefix=("setpriv", "--bounding-set=-dac_override,-dac_read_search"))
    ended = memoryd("publish", "codex", "--json")
    folder.chmod(0o700)

    assert ended.code == 1
    assert "no permission" in ended.json["error"]["message"]
    assert memoryd.ask("publish", "codex")["kept"] == []


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Callable[[str], Path]]:
    """Makes a file system of its own, of a given size."""
    folder = tmp_path / "disk"
    folder.mkdir()

    def make(size: str) -> Path:
        _mounted(folder, "-t", "tmpfs", "-o", f"size={size}", "tmpfs")
        return folder

    yield make
    subprocess.run(["umount", "--lazy", str(folder)], check=False, capture_output=True)


def test_a_home_on_another_file_system_is_published_into(disk: Callable[[str], Path], tmp_path: Path) -> None:
    home = CodexHome(path=disk("20m") / "codex")
    home.path.mkdir()
    home.session().user(WISH)
    before = home.digest()
    memoryd = Memoryd(codex_home=home.path, state_dir=tmp_path / "state")

    assert memoryd.once(*ON)["publishing"]["written"] == 4
    assert memoryd.ask("publish", "codex", "--undo")["kept"] == []
    assert home.digest() == before


def test_a_full_disk_is_said_plainly_and_the_next_run_goes_on(disk: Callable[[str], Path], tmp_path: Path) -> None:
    mount = disk("300k")
    home = CodexHome(path=mount / "codex")
    home.path.mkdir()
    for number in range(30):
        home.session(cwd=f"/home/ann/project{number}").user(f"{WISH} This is number {number}.")
    memoryd = Memoryd(codex_home=home.path, state_dir=tmp_path / "state")
    memoryd.once()
    before = home.digest()
    ended = memoryd("publish", "codex", "--json")

    assert ended.code == 1
    assert "the disk is full" in ended.json["error"]["message"]
    assert not list(home.path.rglob("*.tmp"))
    subprocess.run(["mount", "-o", "remount,size=20m", str(mount)], check=True)
    assert memoryd.ask("publish", "codex")["kept"] == []
    assert len(_published(home)) == 2 + 2 * 30
    memoryd.ask("publish", "codex", "--undo")
    assert home.digest() == before


@pytest.mark.skipif(os.geteuid() != 0, reason="needs the right to give files away")
@pytest.mark.parametrize("below", ["", "memories_v2"])
def test_what_belongs_to_another_user_is_left_to_them(told: CodexHome, memoryd: Memoryd, below: str) -> None:
    memoryd.once()
    (told.path / below).mkdir(exist_ok=True)
    os.chown(told.path / below, 12345, 12345)
    before = told.digest()
    ended = memoryd("publish", "codex", "--json")

    assert ended.code == 1
    assert "belongs to another user (uid 12345)" in ended.json["error"]["message"]
    assert told.digest() == before


@pytest.mark.skipif(os.geteuid() != 0, reason="needs the right to give files away")
def test_two_who_share_a_home_do_not_take_each_others_files(told: CodexHome, memoryd: Memoryd, tmp_path: Path) -> None:
    memoryd.once(*ON)
    before = told.digest()
    other = Memoryd(codex_home=told.path, state_dir=tmp_path / "other")
    answer = other.once(*ON)

    assert answer["publishing"].items() >= {"written": 0, "kept": 4, "problem": None}.items()
    other.ask("publish", "codex", "--undo")
    assert told.digest() == before
