"""How long until `memoryd run` is ready, and with how much memory, beside histories of several lengths.

The rule: a real process, from the moment at which it is started to the datagram that tells systemd that it is ready, on
a state and a home that fit each other: every row's file is there, as it was when it was read. The sizes take turns. A
start is ended by a kill at that moment, so that its CPU time, its peak memory and the bytes that it read are those of
being ready; one more start a size goes on for a while, for the peak of the first look at the whole home.

What an empty start costs anyway hides small differences, so the bytes that were read are the sharper figure: whatever
is read of the whole history before ready shows in them.
"""

import argparse
import os
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import attrs

from benchmarks.long_history import build_history
from benchmarks.report import Report, Row, growth
from benchmarks.side_by_side import MIB, measured, reaped
from state.folder import StateFolder
from tests.fakes.command import Memoryd

READY_SECONDS_MAX = 120.0
STOP_SECONDS_MAX = 30.0


@attrs.frozen(kw_only=True)
class Start:
    """One start. read_mib: None where the system does not count it."""

    ready_seconds: float
    cpu_seconds: float
    peak_mib: float
    read_mib: float | None


def build_home(scratch: Path, threads: int) -> Memoryd:
    """A home with an empty file for each thread, and a state whose rows say of them what `stat` says."""
    memoryd = Memoryd(codex_home=scratch / "codex", state_dir=scratch / "state", person=scratch / "person")
    memoryd.codex_home.mkdir(parents=True)
    memoryd.state_dir.mkdir(mode=0o700)
    connection = build_history(StateFolder(path=memoryd.state_dir).database, threads)
    rows = connection.execute("SELECT path FROM rollout_files WHERE status <> 'vanished'").fetchall()
    with connection:
        for (path,) in rows:
            file = memoryd.codex_home / str(path)
            try:
                file.touch()
            except FileNotFoundError:
                file.parent.mkdir(parents=True)
                file.touch()
            seen = file.stat()
            connection.execute(
                "UPDATE rollout_files SET size_bytes = ?, mtime_ns = ?, inode = ? WHERE path = ?",
                (seen.st_size, seen.st_mtime_ns, seen.st_ino, path),
            )
    connection.close()
    return memoryd


def start(memoryd: Memoryd, scratch: Path, *, goes_on_seconds: float | None) -> Start:
    """Start the service, wait until it is ready, and end it: at once, or in good order after a while."""
    address = scratch / "ready"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel, open(scratch / "stderr", "w+b") as stderr:
        channel.bind(os.fspath(address))
        channel.settimeout(READY_SECONDS_MAX)
        began = time.perf_counter()
        process = subprocess.Popen(
            memoryd.arguments("run"),
            env=memoryd.environment(NOTIFY_SOCKET=os.fspath(address)),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=stderr,
        )
        try:
            said = channel.recv(100)
            seconds = time.perf_counter() - began
            read_mib = _read_mib(process.pid)
            if b"READY=1" not in said:
                raise SystemExit(f"the service said {said!r} before it was ready")
            if goes_on_seconds is not None:
                time.sleep(goes_on_seconds)
            peak_mib = _peak_mib(process.pid)
            process.send_signal(signal.SIGKILL if goes_on_seconds is None else signal.SIGTERM)
        except TimeoutError:
            process.kill()
            raise SystemExit(f"not ready after {READY_SECONDS_MAX:.0f} s; see {scratch / 'stderr'}") from None
        finally:
            address.unlink()
            usage = reaped(process)
    run = measured(seconds, usage)
    return Start(
        ready_seconds=seconds,
        cpu_seconds=run.cpu_seconds,
        peak_mib=run.peak_rss_mib if peak_mib is None else peak_mib,
        read_mib=read_mib,
    )


def _peak_mib(pid: int) -> float | None:
    """The process's peak memory so far, without that of its parent, which `getrusage` counts; None where that is not
    to be had."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines()
    except OSError:
        return None
    return next(int(line.split()[1]) / 1_024 for line in lines if line.startswith("VmHWM:"))


def _read_mib(pid: int) -> float | None:
    """How much the process has asked the system to read so far, from caches or not."""
    try:
        lines = Path(f"/proc/{pid}/io").read_text(encoding="ascii").splitlines()
    except OSError:
        return None
    return int(dict(line.split(": ") for line in lines)["rchar"]) / MIB


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.bench_start", description=__doc__)
    parser.add_argument("--threads", type=int, nargs="+", default=[0, 10_000, 100_000], help="sizes of the history")
    parser.add_argument("--repeats", type=int, default=7, help="how often each is started (default: 7)")
    parser.add_argument("--seconds", type=float, default=15.0, help="how long the last start goes on (default: 15)")
    parser.add_argument("--json", action="store_true", help="one JSON document instead of the tables")
    return parser.parse_args()


def main() -> None:
    """Build the homes, start a service on each in turn, and print what was found."""
    options = arguments()
    sizes = sorted(options.threads)
    starts: dict[int, list[Start]] = {size: [] for size in sizes}
    with tempfile.TemporaryDirectory(prefix="bench-start-") as folder:
        scratch = Path(folder).resolve()
        homes = {size: build_home(scratch / f"of-{size}", size) for size in sizes}
        for repeat in range(options.repeats + 1):
            for size in sizes if repeat % 2 == 0 else reversed(sizes):
                one = start(homes[size], scratch, goes_on_seconds=None)
                if repeat:  # the first finds nothing in the system's cache
                    starts[size].append(one)
        after = {size: start(homes[size], scratch, goes_on_seconds=options.seconds) for size in sizes}
    figures: dict[str, Callable[[Start], float | None]] = {
        "seconds to ready": lambda one: one.ready_seconds,
        "CPU seconds to ready": lambda one: one.cpu_seconds,
        "peak MiB at ready": lambda one: one.peak_mib,
        "MiB read before ready": lambda one: one.read_mib,
    }
    rows = [
        Row(
            name=f"{size:,} threads",
            figure=figure,
            values=[value for one in starts[size] if (value := of(one)) is not None],
            peer=f"{sizes[0]:,} threads" if size != sizes[0] else None,
        )
        for figure, of in figures.items()
        for size in sizes
        if of(starts[size][0]) is not None
    ]
    rows += [
        Row(
            name=f"{size:,} threads",
            figure=f"peak MiB after {options.seconds:g} s",
            values=[after[size].peak_mib],
            peer=f"{sizes[0]:,} threads" if size != sizes[0] else None,
        )
        for size in sizes
    ]
    positive = [size for size in sizes if size]
    Report(
        question="How long until `memoryd run` is ready, and with how much memory, beside how long a history?",
        settings={"threads": sizes, "repeats": options.repeats, "seconds": options.seconds},
        rows=rows,
        growth=[
            growth("ready", figure, {size: _median(rows, size, figure) for size in positive})
            for figure in list(figures)[:3]
            if len(positive) > 1
        ],
        packages=("apsw", "trio"),
    ).show(as_json=options.json)


def _median(rows: list[Row], size: int, figure: str) -> float:
    (row,) = (row for row in rows if row.name == f"{size:,} threads" and row.figure == figure)
    return row.median


if __name__ == "__main__":
    main()
