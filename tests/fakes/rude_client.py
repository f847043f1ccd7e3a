"""A client of `memoryd serve --stdio` that sends what it should not, and looks at what came of it."""

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.fakes.command import Memoryd
from tests.fakes.serve_process import SECONDS_MAX

HELLO = {"id": "hello", "method": "initialize", "params": {"clientInfo": {"name": "rude", "version": "1"}}}
THREAD = "019d0000-0000-7000-8000-000000000001"
"""The stored thread that it asks about, where a test has one."""

LAST = {"id": "last", "method": "thread/loaded/list", "params": {}}


def line_of(message: Any) -> bytes:
    """A message as it goes over the line."""
    return json.dumps(message).encode() + b"\n"


def talk(memoryd: Memoryd, *lines: bytes) -> list[dict[str, Any]]:
    """Send lines to a service of its own after the handshake, end its input, and return all that it said.

    It must answer the last request, end with 0, and say nothing on stdout but lines of JSON.
    """
    data = line_of(HELLO) + b"".join(lines) + b"\n" + line_of(LAST)
    ended = subprocess.run(
        memoryd.arguments("serve", "--stdio"),
        env=memoryd.environment(),
        input=data,
        capture_output=True,
        timeout=2 * SECONDS_MAX,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr.decode()
    assert b"Traceback" not in ended.stderr, ended.stderr.decode()
    messages: list[dict[str, Any]] = [json.loads(line) for line in ended.stdout.splitlines()]
    assert {"id": "last", "result": {"data": [], "nextCursor": None}} in messages
    return [message for message in messages if message.get("id") not in ("hello", "last")]


@contextmanager
def nothing_else_written(root: Path, *, but: Path) -> Iterator[None]:
    """Every file below `root` is as it was after the block, except below `but`."""
    before = _tree(root, but)
    yield
    assert _tree(root, but) == before


def _tree(root: Path, but: Path) -> dict[str, tuple[int, bytes]]:
    return {
        str(path.relative_to(root)): (path.stat().st_mode, path.read_bytes() if path.is_file() else b"")
        for path in sorted(root.rglob("*"))
        if but not in (path, *path.parents)
    }
