"""Of the commands, only what the command line can still ask for is imported."""

import subprocess
import sys
from pathlib import Path

import pytest

from config.version import VERSION
from interfaces.cli.app import COMMANDS

ROOT = Path(__file__).resolve().parents[4]

_ASKED = """
import sys, supervisor
code = supervisor.main(sys.argv[1:])
print(*sorted(name for name in sys.modules if name.startswith("interfaces.cli.")), file=sys.stderr)
sys.exit(code)
"""


def _said_and_imported(*arguments: str) -> tuple[str, set[str]]:
    run = subprocess.run(
        [sys.executable, "-c", _ASKED, *arguments], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return run.stdout, {name.removeprefix("interfaces.cli.") for name in run.stderr.split()} & set(COMMANDS)


def test_version_needs_no_command() -> None:
    assert _said_and_imported("--version") == (f"{VERSION}\n", set())


@pytest.mark.parametrize("arguments", [("--help",), ("-h",), ()])
def test_list_of_commands_needs_all_of_them(arguments: tuple[str, ...]) -> None:
    said, imported = _said_and_imported(*arguments)
    assert imported == set(COMMANDS)
    assert all(command in said for command in COMMANDS)


def test_command_needs_itself() -> None:
    assert _said_and_imported("jobs", "--help")[1] == {"jobs"}
