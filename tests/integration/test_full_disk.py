"""A full disk is refused in a plain sentence, loses nothing, and is over when there is space again."""

import contextlib
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fakes.codex_home import CodexHome
from tests.fakes.command import Memoryd

WISH = "Please add a login page to the shop. Always use pnpm instead of npm in this project."


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 1 MiB of its own; needs the right to mount one."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)], capture_output=True, text=True, check=False
    )
    if mounted.returncode != 0:
        pytest.skip(f"cannot mount a small file system: {mounted.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=False)


def test_a_full_disk_is_said_plainly_and_nothing_is_lost(home: CodexHome, small_disk: Path) -> None:
    for number in range(40):
        home.session(hours_ago=48 + number).user(f"{WISH} This is number {number}. " + "word " * 20_000)
    memoryd = Memoryd(codex_home=home.path, state_dir=small_disk / "state")
    ended = memoryd("once", "--json")

    assert ended.code in (3, 4), ended.stderr + ended.stdout
    assert "full" in ended.json["error"]["message"] + ended.json["error"]["hint"]
    assert "Traceback" not in ended.stderr
    subprocess.run(["mount", "-o", "remount,size=200m", str(small_disk)], check=True)
    answer = memoryd.once()

    assert answer["backfill"]["failed"] == 0
    assert len(memoryd("threads", "list", "--limit", "100", "--json").json["threads"]) == 40


def test_a_service_on_a_full_disk_shows_no_traceback(home: CodexHome, small_disk: Path) -> None:
    home.session().user(WISH)
    memoryd = Memoryd(codex_home=home.path, state_dir=small_disk / "state")
    memoryd.once()
    (memoryd.state_dir / "logs").mkdir(mode=0o700)
    (memoryd.state_dir / "logs" / "memoryd.log").touch()
    with contextlib.suppress(OSError), open(small_disk / "rest", "wb", buffering=0) as rest:
        while True:
            rest.write(bytes(4096))
    ended = memoryd("run")

    assert ended.code == 3
    assert "cannot open the state database" in ended.stderr
    assert "Traceback" not in ended.stderr


@pytest.mark.skipif(os.geteuid() != 0, reason="needs the right to mount")
def test_a_read_only_codex_home_is_read(home: CodexHome, memoryd: Memoryd) -> None:
    home.session().user(WISH)
    bound = subprocess.run(["mount", "--bind", str(home.path), str(home.path)], capture_output=True, check=False)
    if bound.returncode != 0:
        pytest.skip("cannot mount here")
    try:
        subprocess.run(["mount", "-o", "remount,ro,bind", str(home.path)], check=True)
        answer = memoryd.once()
    finally:
        subprocess.run(["umount", "--lazy", str(home.path)], check=False)

    assert answer["extraction"]["succeeded"] == 1
