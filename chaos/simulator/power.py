"""Cutting the power of the simulated machine: every service dies at one instruction, and the disk keeps what it must.

What lies on the disk then is looked at in a copy, so that the next service is the first one to open the files
themselves. It has to be sound, and to hold exactly what was committed; what was under way is there whole, or not at
all. Only SQLite's files lose anything: what else a service wrote stays.
"""

import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import apsw

from chaos.disk.medium import Files, Survival
from chaos.rows import RowReader
from chaos.simulator.disk import PowerCut
from state.folder import StateFolder

if TYPE_CHECKING:
    from chaos.simulator.life import Life
    from chaos.simulator.world import World

Dump = dict[str, list[tuple[Any, ...]]]
"""Every row, by table."""

UNKEPT = "a_power_cut_keeps_what_was_committed"
DAMAGED = "a_power_cut_damages_nothing"


def cut_power(world: "World", cut: PowerCut, within: "Life | None") -> None:
    """Cut it now. within: the service whose operation on the disk this is; None when nobody uses it."""
    disk = world.disk
    disk.cut = None
    committed = _committed(world)
    files = disk.image(cut.survival)
    whole = [disk.image(Survival.EVERYTHING)]
    if disk.medium.has_doomed:
        whole.append(disk.image(Survival.DOOMED))
    world.story.tell("fault", f"the power is cut; {cut.survival} of what was not synced survives")
    world.goals.hit("power cut")
    _count_losses(world, cut, files, whole[0])
    cut.begins()
    for life in world.lives.values():
        if not life.is_dead and not life.ended.is_set():
            life.has_lost_power = True
            life.die("the power is cut")
    _lay(files, world.state_dir)
    _judge(world, files, committed, whole, within)
    disk.holds(files)
    world.machine.reboot()
    cut.done.set()


def _count_losses(world: "World", cut: PowerCut, files: Files, everything: Files) -> None:
    if files == everything:
        return
    world.goals.hit("power cut with unsynced pages lost")
    if cut.survival is Survival.TORN:
        world.goals.hit("power cut with a torn write")


def _judge(world: "World", files: Files, committed: Dump | None, whole: list[Files], within: "Life | None") -> None:
    folder = world.root / "after-power-cut"
    dump, damage = _opened(folder, files)
    if damage:
        world.break_law(DAMAGED, damage)
        return
    with_reader = RowReader(_database(folder))
    try:
        rows = with_reader.read()
    finally:
        with_reader.close()
    if committed is not None and dump != committed:
        if all(dump != _opened(folder, one)[0] for one in whole):
            world.break_law(UNKEPT, _difference(dump, committed))
        else:
            world.goals.hit("power cut that kept what was under way")
    world.find_after_power_cut(rows, within.batch_began if within is not None else None)


def _committed(world: "World") -> Dump | None:
    """What everybody sees at this moment; None when it cannot be read, since somebody has just opened it."""
    connection = apsw.Connection(str(_database(world.state_dir)), flags=apsw.SQLITE_OPEN_READONLY)
    try:
        return _dump(connection)
    except apsw.BusyError:
        return None
    finally:
        connection.close(True)


def _opened(folder: Path, files: Files) -> tuple[Dump, str]:
    """What these files hold, and what is wrong with them; '' when nothing is."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(mode=0o700)
    for name, content in files.items():
        (folder / name).write_bytes(content)
    connection = apsw.Connection(str(_database(folder)))
    try:
        found = [str(row[0]) for row in connection.execute("PRAGMA integrity_check(3)")]
        return _dump(connection), "" if found == ["ok"] else "; ".join(found)
    except apsw.Error as error:
        return {}, str(error)
    finally:
        connection.close(True)


def _dump(connection: apsw.Connection) -> Dump:
    connection.execute("BEGIN")
    names = [
        str(name) for (name,) in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name")
    ]
    dump = {name: sorted(connection.execute(f"SELECT * FROM {name}"), key=repr) for name in names}
    connection.execute("COMMIT")
    return dump


def _difference(have: Dump, want: Dump) -> str:
    for table, rows in want.items():
        if have.get(table) != rows:
            lost = [row for row in rows if row not in have.get(table, [])]
            return f"{table}: {len(lost)} rows are not as they were committed, such as {str(lost[:1])[:200]}"
    return "there is a table that nobody made"


def _lay(files: Files, folder: Path) -> None:
    """Put these files in the place of those that services may still have open."""
    for name in ("state.sqlite-wal", "state.sqlite-shm"):
        (folder / name).unlink(missing_ok=True)
    for name, content in files.items():
        new = folder / f"{name}.new"
        new.write_bytes(content)
        os.replace(new, folder / name)


def _database(folder: Path) -> Path:
    return StateFolder(path=folder).database
