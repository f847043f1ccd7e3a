"""Cutting the power while the store is being opened: in the middle of a migration, and of setting a file aside."""

import itertools
import random
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from chaos.disk.asked_store import CODEX_HOME, AskedStore, read_back
from chaos.disk.faults import Effect, Fault, Operation
from chaos.disk.faulty import faulty_disk
from chaos.disk.medium import Files, Medium
from chaos.disk.power import Depth, Opener
from chaos.disk.promises import Remains
from chaos.disk.recording import Recorder
from chaos.disk.report import Scene
from chaos.disk.workload import script
from state.connection import close_untouched, open_writer
from state.errors import StateFolderError
from state.folder import StateFolder
from state.migrate import Migration, migrations, schema_version

ROWS = 20
"""Rows of the oldest schema that a migration finds, enough for several pages."""

_PAGE_BYTES = 4096

_PARTS = ("state.sqlite", "state.sqlite-wal", "state.sqlite-journal")


def cut_migrations(scene: Scene, root: Path, *, seed: int, depth: Depth) -> None:
    """Cut the power at every moment of migrating from each older schema, with rows in the file and in its log."""
    opener = Opener(root)
    for version in range(1, len(migrations())):
        folder = StateFolder(path=root / f"schema-{version}")
        _make_old(folder, migrations()[:version])
        before = _files_in(folder)
        recorder = Recorder()
        with faulty_disk(recorder=recorder) as disk:
            store = AskedStore(folder, vfs=disk.name)
            events = tuple(recorder.events)
            store.close()
        began = time.perf_counter()
        medium = Medium(before)
        for point, event in enumerate(events):
            if not medium.play(event) or not depth.takes(point):
                continue
            scene.points += 1
            for survival, files in medium.images(depth.some, random.Random(f"{seed} {version} {point}")):
                where = f"power cut after event {point} of the migration from schema {version}, {survival} survived"
                opener.lay(files)
                _judge_old(scene, opener, where)
        scene.acknowledged += ROWS
        scene.seconds += time.perf_counter() - began


def _make_old(folder: StateFolder, known: tuple[Migration, ...]) -> None:
    """Write a database of an older memoryd whose process was killed: half of its rows are in the log alone."""
    folder.path.mkdir(mode=0o700)
    connection = open_writer(folder.database)
    for migration in known:
        for _ in connection.execute(migration.sql):
            pass
    connection.execute("INSERT INTO home (id, codex_home, created_at_ms) VALUES (1, ?, 0)", (CODEX_HOME,))
    for number in range(ROWS):
        if number == ROWS // 2:
            connection.wal_checkpoint(mode=2)
        connection.execute(
            "INSERT INTO rollout_files (path, archived, size_bytes, mtime_ns, inode, status, offset_bytes, fold_state,"
            " lines_skipped, attempts, registered_at_ms) VALUES (?, 0, 1, 1, 1, 'pending', 0, ?, 0, 0, 0)",
            (f"sessions/{number:04}", bytes(900)),
        )
    close_untouched(connection)


def _judge_old(scene: Scene, opener: Opener, where: str, *, rows: int = ROWS) -> None:
    judged = opener.open()
    remains = judged.remains
    if judged.tables is not None:
        # The file is the last one's: closing has brought everything into it.
        paths = [row[0] for row in judged.tables["rollout_files"]]
        if paths != [f"sessions/{number:04}" for number in range(rows)]:
            remains = Remains.LOST
        connection = open_writer(opener.folder.database)
        if schema_version(connection) != len(migrations()):
            remains = Remains.HALF
        connection.close()
    scene.found(remains, where, detail=judged.detail)


def fail_openings(scene: Scene, root: Path, *, effect: Effect, operation: Operation, depth: Depth) -> None:
    """Fail every operation of opening: a new file, an older schema, the log of a killed process.

    Opening works all the same, or is refused in words; on the repaired disk it works, and nothing is missing.
    """
    began = time.perf_counter()
    for name, files in _openable(root / f"{operation} {effect}").items():
        opener = Opener(root)
        number, struck = 1, True
        while struck:
            for times in (1, None):
                if not depth.takes(number):
                    continue
                scene.points += 1
                opener.lay(files)
                fault = Fault(operation=operation, effect=effect, number=number, times=times)
                struck = _open_failing(scene, opener, fault, name)
                _judge_old(scene, opener, f"opening {name}, {fault}", rows=0 if name == "nothing" else ROWS)
            number += 1
    scene.seconds += time.perf_counter() - began


def _openable(root: Path) -> dict[str, Files]:
    """What an opener may find."""
    root.mkdir()
    found: dict[str, Files] = {"nothing": {}}
    for name, version in (("an older schema", len(migrations()) - 1), ("a killed process's files", len(migrations()))):
        folder = StateFolder(path=root / name)
        _make_old(folder, migrations()[:version])
        found[name] = _files_in(folder)
    return found


def _files_in(folder: StateFolder) -> Files:
    return {name: (folder.path / name).read_bytes() for name in _PARTS if (folder.path / name).exists()}


def _open_failing(scene: Scene, opener: Opener, fault: Fault, name: str) -> bool:
    """Open on a disk that fails; answer whether it came to that."""
    with faulty_disk() as disk:
        disk.follow(fault)
        try:
            AskedStore(opener.folder, vfs=disk.name).close()
        except StateFolderError as error:
            if fault.effect is not Effect.FAIL and "full" not in str(error) + error.hint:
                scene.remark(f"opening {name}, {fault}: a full disk is not called one: {error}")
        except Exception as error:
            scene.remark(f"opening {name}, {fault}: {type(error).__name__}: {error}")
        return disk.struck > 0


def cut_quarantine(scene: Scene, root: Path, *, seed: int) -> None:
    """Cut the power while a damaged database is set aside: of its renames any may have reached the disk.

    Afterwards the store must open and answer, and every byte of the damaged files must still be somewhere.
    """
    began = time.perf_counter()
    for damage in ("header", "table"):
        damaged = _damaged_files(root / f"damaged-{damage}", damage, seed)
        moved = _moved_by_quarantine(root / f"moved-{damage}", damaged)
        for arrived in _subsets(sorted(moved)):
            scene.points += 1
            folder = StateFolder(path=root / "cut")
            shutil.rmtree(folder.path, ignore_errors=True)
            folder.path.mkdir(mode=0o700)
            for name, content in damaged.items():
                aside = folder.quarantine_dir / "1-cut"
                target = aside if name in arrived else folder.path
                target.mkdir(parents=True, exist_ok=True)
                (target / name).write_bytes(content)
            _judge_quarantine(scene, folder, damaged, f"{damage} damaged, {', '.join(arrived) or 'nothing'} moved")
    scene.seconds += time.perf_counter() - began


def _damaged_files(path: Path, damage: str, seed: int) -> Files:
    """The files of a killed process whose database is damaged, with answers that are in the log alone."""
    folder = StateFolder(path=path)
    whole = script(seed, 2)
    earlier = AskedStore(folder)
    for requests in whole[:-3]:
        earlier.ask(requests)
    earlier.close()
    store = AskedStore(folder, number=1)
    store.ask(whole[-3])
    files = {**_files_in(folder), "state.sqlite-shm": (folder.path / "state.sqlite-shm").read_bytes()}
    store.close()
    database = files["state.sqlite"]
    first, rest = database[:_PAGE_BYTES], database[_PAGE_BYTES:]
    noise = bytes([255])
    files["state.sqlite"] = noise * _PAGE_BYTES + rest if damage == "header" else first + noise * len(rest)
    return files


def _moved_by_quarantine(path: Path, damaged: Files) -> set[str]:
    """Let the real opening set these files aside; answer which it moved."""
    folder = StateFolder(path=path)
    folder.path.mkdir(mode=0o700)
    for name, content in damaged.items():
        (folder.path / name).write_bytes(content)
    store = AskedStore(folder)
    store.close()
    return {file.name for aside in folder.quarantine_dir.iterdir() for file in aside.iterdir()}


def _subsets(names: list[str]) -> Iterator[tuple[str, ...]]:
    for size in range(len(names) + 1):
        yield from itertools.combinations(names, size)


def _judge_quarantine(scene: Scene, folder: StateFolder, damaged: Files, where: str) -> None:
    detail = ""
    remains = Remains.KEPT
    try:
        store = AskedStore(folder, number=50)
        store.ask(script(7, 1)[0])
        answers: list[Any] = [asked.answer for batch in store.history for asked in batch.asked]
        store.close()
        if any(isinstance(answer, Exception) for answer in answers):
            remains, detail = Remains.HALF, f"it answered {answers}"
        else:
            read_back(folder)
    except Exception as error:
        remains, detail = Remains.CORRUPT, f"it cannot be opened: {error}"
    kept = [file.read_bytes() for file in folder.path.rglob("*") if file.is_file()]
    for name in ("state.sqlite", "state.sqlite-wal"):
        if remains is Remains.KEPT and damaged[name] not in kept:
            remains, detail = Remains.LOST, f"the damaged {name} is gone"
    scene.found(remains, where, detail=detail)
