"""Many services that start at the same moment on one home: all become ready, and about as fast as Python itself does.

    memoryd chaos starts --processes 68

First on a home without a database, so that all of them want to make it, then on the same one once it is there.
Each is the real command `memoryd run`; it says that it is ready by the datagram that systemd would get. For comparison
as many bare interpreters start at once, import what a service imports before it is ready, and say so in the same way.
"""

import os
import random
import re
import selectors
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

import attrs

from chaos.figures import two_columns
from chaos.fleet import checks
from chaos.fleet.place import Place, temporary_folder
from chaos.fleet.services import ROOT
from chaos.fleet.workload import Workload
from chaos.parent import dying_with_parent

READY_SECONDS_MAX = 180.0
STOP_SECONDS_MAX = 60.0
CORPUS_STEPS = 60

_IMPORT = (
    "import contextlib, importlib, sys\n"
    "for name in sys.argv[1:]:\n"
    "    with contextlib.suppress(ImportError):\n"  # some are tried and are not there
    "        importlib.import_module(name)\n"
)
_FIRST = ("late_methods", "config.lean_imports")
"""Imported first by a service, too: after them the same imports cost less. A module ends its import after those that it
imports, so their place in the list would be too late."""

_SAY_READY = (
    "import os, socket\n"
    "address = os.environ['NOTIFY_SOCKET']\n"
    "with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel:\n"
    "    channel.sendto(b'READY=1', '\\0' + address[1:] if address.startswith('@') else address)\n"
)


@attrs.frozen(kw_only=True)
class StartsReport:
    """Seconds from the moment at which the first one was started until each was ready, and what failed.

    Attributes:
      services: on a home without a database, so that all of them want to make it.
      again: on that home with the database that they have made, once they have all ended.
      bare: interpreters that only import.
    """

    processes: int
    services: tuple[float, ...]
    again: tuple[float, ...]
    bare: tuple[float, ...]
    modules: int
    failures: tuple[str, ...]

    @property
    def ratio(self) -> float:
        """The slowest service on a new home against the slowest bare interpreter."""
        return max(self.services, default=0.0) / max(self.bare, default=1.0)

    @property
    def ratio_again(self) -> float:
        """The slowest service on an existing database against the slowest bare interpreter."""
        return max(self.again, default=0.0) / max(self.bare, default=1.0)


def start_together(processes: int) -> StartsReport:
    """Start so many services at once, twice, and as many bare interpreters; every one of them is ended here."""
    with temporary_folder("memoryd-starts-") as root:
        place = Place(root=root)
        place.make()
        workload = Workload(codex_home=place.codex_home, rng=random.Random(0))
        for _ in range(CORPUS_STEPS):
            workload.step()
        workload.finish()
        environment = {"PATH": os.environ["PATH"], "HOME": str(root), "LANG": "C.UTF-8", "PYTHONPATH": str(ROOT)}
        serve = [sys.executable, str(ROOT / "supervisor.py"), "run"]
        where = ["--codex-home", str(place.codex_home), "--state-dir", str(place.state_dir)]
        modules = _imported_before_ready([*serve, *where], environment)
        bare, failures = _all_ready(
            [sys.executable, "-c", _IMPORT + _SAY_READY, *modules], environment, processes, root
        )
        shutil.rmtree(place.state_dir, ignore_errors=True)
        failures += [f"there is {path} before the first start" for path in place.state_dir.glob("*")]
        services, on_new = _all_ready([*serve, *where], environment, processes, root)
        again, on_existing = _all_ready([*serve, *where], environment, processes, root)
        # Those of the first round were to end in good order, which leaves a database that is sound and held by nobody.
        failures += [*on_new, *on_existing, *checks.check_rows(place.state_dir / "state.sqlite")]
        return StartsReport(
            processes=processes,
            services=tuple(services),
            again=tuple(again),
            bare=tuple(bare),
            modules=len(modules),
            failures=tuple(failures),
        )


def _imported_before_ready(command: Sequence[str], environment: Mapping[str, str]) -> list[str]:
    """The modules that one service imports until it says that it is ready."""
    process = subprocess.Popen(
        [command[0], "-X", "importtime", *command[1:]],
        env=dict(environment),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=dying_with_parent(),
    )
    names = []
    try:
        assert process.stderr is not None
        for line in process.stderr:
            if '"event": "ready"' in line:
                break
            match = re.match(r"import time:.*\|\s+([\w.]+)$", line.rstrip())
            if match:
                names.append(match[1])
    finally:
        process.kill()
        process.communicate()
    names = [*_FIRST, *(name for name in names if name not in _FIRST)]
    return [name for name in names if not re.search(r"(^|\.)_|^(site|sitecustomize|usercustomize)$|^encodings", name)]


def _all_ready(
    command: Sequence[str], environment: Mapping[str, str], count: int, root: Path
) -> tuple[list[float], list[str]]:
    """Start `count` of them at once, and wait until each is ready or has ended."""
    ready: dict[int, float] = {}
    failures: list[str] = []
    dying = dying_with_parent()
    with ExitStack() as stack, selectors.DefaultSelector() as waiting:
        addresses: list[str] = []
        for number in range(count):
            channel = stack.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM))
            addresses.append(_bind(channel, root / f"ready-{number}"))
            waiting.register(channel, selectors.EVENT_READ, number)
        began = time.monotonic()
        processes: list[subprocess.Popen[bytes]] = []
        try:
            for number in range(count):
                stderr = stack.enter_context(open(root / f"stderr-{number}", "w+b"))
                processes.append(
                    subprocess.Popen(
                        command,
                        env={**environment, "NOTIFY_SOCKET": addresses[number]},
                        stdout=subprocess.DEVNULL,
                        stderr=stderr,
                        preexec_fn=dying,
                    )
                )
            while len(ready) + len(failures) < count and time.monotonic() - began < READY_SECONDS_MAX:
                for key, _ in waiting.select(timeout=0.2):
                    ready.setdefault(key.data, time.monotonic() - began)
                    waiting.unregister(key.fileobj)
                failures = [
                    f"process {number} ended with {process.returncode} before it was ready: {_last_line(root, number)}"
                    for number, process in enumerate(processes)
                    if number not in ready and process.poll() is not None
                ]
        finally:
            _end(processes)
        failures += [
            f"process {number} was not ready after {READY_SECONDS_MAX:.0f} s"
            for number, process in enumerate(processes)
            if number not in ready and process.returncode in (None, -9, -15)
        ]
        for number in range(count):
            (root / f"ready-{number}").unlink(missing_ok=True)
    return sorted(ready.values()), failures


def _bind(channel: socket.socket, path: Path) -> str:
    """Give the channel an address; as NOTIFY_SOCKET names it. The path of a socket may have some 100 bytes, which that
    of a temporary folder may exceed: Linux gives a free name that is in no folder."""
    if not sys.platform.startswith("linux"):
        channel.bind(os.fspath(path))
        return os.fspath(path)
    channel.bind("")
    return "@" + os.fsdecode(channel.getsockname()[1:])


def _end(processes: "Sequence[subprocess.Popen[bytes]]") -> None:
    for process in processes:
        if process.poll() is None:
            process.terminate()
    give_up_at = time.monotonic() + STOP_SECONDS_MAX
    for process in processes:
        try:
            process.wait(max(0.0, give_up_at - time.monotonic()))
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _last_line(root: Path, number: int) -> str:
    lines = (root / f"stderr-{number}").read_text(encoding="utf-8", errors="replace").strip().splitlines()
    return lines[-1] if lines else "it said nothing"


def as_table(report: StartsReport) -> str:
    """The report as lines for a terminal."""
    slowest, again, bare = (max(times, default=0.0) for times in (report.services, report.again, report.bare))
    lines = two_columns(
        [
            ("ready on a home without a database", f"{len(report.services)} of {report.processes}"),
            ("the slowest of them", f"{slowest:.2f} s"),
            ("ready on the database that these made", f"{len(report.again)} of {report.processes}"),
            ("the slowest of them", f"{again:.2f} s"),
            ("the slowest bare start", f"{bare:.2f} s, with the same {report.modules} modules"),
            ("ratio, without and with a database", f"{report.ratio:.2f}, {report.ratio_again:.2f}"),
        ]
    )
    return "\n".join([*lines, *(f"FAILED: {failure}" for failure in report.failures)])
