"""What libraries take along and nobody uses is imported when it is used. Each in a process of its own."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]


def _printed(code: str) -> str:
    run = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env={"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )
    return run.stdout.strip()


def test_nothing_of_it_is_imported_before_it_is_used() -> None:
    names = "{'rich', 'asyncio', 'ssl', 'structlog', 'trio'}"
    printed = _printed(f"import sys, config.lean_imports; print(sorted({names} & set(sys.modules)))")
    assert printed == "['structlog', 'trio']"


@pytest.mark.parametrize(
    "code",
    [
        "import trio._ssl, ssl; print(trio._ssl._stdlib_ssl.SSLError is ssl.SSLError)",
        "import structlog, asyncio; print(structlog.stdlib.asyncio.get_running_loop is asyncio.get_running_loop)",
        "import rich.console; print(rich.console.Console is not None)",
    ],
)
def test_what_is_used_is_the_module_itself(code: str) -> None:
    assert _printed(f"import config.lean_imports; {code}") == "True"
