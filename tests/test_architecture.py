"""The invariants of ARCHITECTURE.md, executable: who imports whom, which rule answers what, what the wheel holds."""

import ast
import inspect
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any, get_type_hints

import pytest

from interfaces.cli.app import COMMANDS
from state.messages.base import LongRead, Request, SmallRead
from state.rules.registry import LOG_RULES, RULES

ROOT = Path(__file__).parent.parent
APPLICATION = ("config", "interfaces", "state", "workers")
"""The folders that the wheel carries, beside supervisor.py and chaos."""

SHIPPED = (*APPLICATION, "chaos")
"""Chaos knows all of the application, which does not know it."""

LINES_MAX = 600
"""A file has one reason to exist; one that is longer than this has found another."""


def sources(*folders: str) -> list[Path]:
    """Every Python file below these folders of the project, in order."""
    return sorted(path for folder in folders for path in (ROOT / folder).rglob("*.py"))


def imports(path: Path) -> Iterator[str]:
    """Every module that a file imports anywhere in it, with its full name; what it takes from a module counts too."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} imports relatively; imports are from the root"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def name(path: Path) -> str:
    """A file's path within the project."""
    return str(path.relative_to(ROOT))


def importers(files: list[Path], *modules: str) -> list[str]:
    """The files that import one of the modules, or something in one, each with what it imports."""
    return [
        f"{name(path)} imports {imported}"
        for path in files
        for imported in imports(path)
        if any(imported == module or imported.startswith(f"{module}.") for module in modules)
    ]


AT_THE_TOP = [ROOT / name for name in ("supervisor.py", "commands.py", "serving.py", "stopping.py")]
"""What puts the rest together."""

TOP = tuple(path.stem for path in AT_THE_TOP)

EVERY_RULE = {**RULES.whole(), **LOG_RULES.whole()}

APPLICATION_FILES = [*AT_THE_TOP, *sources(*APPLICATION)]

SHIPPED_FILES = [*APPLICATION_FILES, *sources("chaos")]


def test_only_state_and_the_chaos_around_it_know_sqlite() -> None:
    assert importers([*AT_THE_TOP, *sources("config", "interfaces", "workers")], "apsw", "sqlite3") == []


def test_chaos_needs_no_tests() -> None:
    assert importers(sources("chaos"), "tests", "benchmarks", "examples") == []


def test_rules_know_no_event_loop_no_clock_no_randomness_and_no_engine() -> None:
    forbidden = (
        "trio",
        "time",
        "datetime",
        "random",
        "secrets",
        "uuid",
        "os",
        "pathlib",
        "apsw",
        "sqlite3",
        "threading",
    )

    assert importers(sources("state/rules"), *forbidden) == []


def test_rules_and_messages_know_nothing_of_the_store_around_them() -> None:
    around = ("state.store", "state.group_commit", "state.opening", "state.connection", "state.sqlite_transaction")

    assert importers(sources("state/rules", "state/messages"), *around) == []
    assert importers(sources("state/messages"), "state.rules") == []


def test_only_opening_and_group_commit_connect() -> None:
    """Closing a descriptor of the database that SQLite did not open drops SQLite's locks; so few may come near it."""
    assert {text.partition(" ")[0] for text in importers(APPLICATION_FILES, "state.connection.open_writer")} == {
        "state/group_commit.py",
        "state/log_opening.py",
        "state/opening.py",
    }


OPENERS = {
    "commands.py",
    "interfaces/cli/changing.py",
    "interfaces/cli/reading.py",
    "workers/startup.py",
    "workers/doctor/examination.py",
    "workers/doctor/repair.py",
}
"""Entry points, and the doctor, whose patient may be a store that does not open. Everybody else is handed a handle."""


def test_only_entry_points_open_the_store() -> None:
    opening = {
        name(path)
        for path in [*AT_THE_TOP, *sources("config", "interfaces", "workers")]
        if any(imported.rpartition(".")[2].startswith("open_store") for imported in imports(path))
    }
    assert opening == OPENERS


def test_config_imports_nothing_of_ours() -> None:
    assert importers(sources("config"), "state", "workers", "interfaces") == []
    assert importers([path for path in sources("config") if "launcher" not in path.parts], *TOP) == []


def test_state_imports_at_most_config() -> None:
    assert importers(sources("state"), "workers", "interfaces", *TOP) == []


def test_workers_know_neither_the_interfaces_nor_the_supervisor() -> None:
    assert importers(sources("workers"), "interfaces", *TOP) == []


def test_interfaces_know_neither_the_workers_nor_the_supervisor() -> None:
    assert importers(sources("interfaces"), "workers", *TOP) == []


def test_no_worker_imports_another_worker() -> None:
    workers = {
        "workers.backfill": sources("workers/backfill"),
        "workers.extraction": sources("workers/extraction"),
        "workers.consolidation": sources("workers/consolidation"),
        "workers.publishing": sources("workers/publishing"),
        "workers.reaper": [ROOT / "workers/reaper.py"],
        "workers.retention": [ROOT / "workers/retention.py"],
    }

    for worker, files in workers.items():
        assert files, worker
        assert importers(files, *(other for other in workers if other != worker)) == []


def test_nothing_of_the_application_imports_its_tests_or_its_benchmarks() -> None:
    assert importers(APPLICATION_FILES, "tests", "benchmarks", "examples") == []


def test_nothing_imports_chaos_but_its_command() -> None:
    """What breaks memoryd on purpose is reached by no other way, and by its command only when it is asked for."""
    commands = sources("interfaces/cli/chaos")
    others = [path for path in APPLICATION_FILES if path not in commands]

    assert importers(others, "chaos") == []
    at_import = [
        node
        for command in commands
        for node in ast.parse(command.read_text(encoding="utf-8")).body
        if isinstance(node, ast.ImportFrom)
    ]
    assert [node.module for node in at_import if str(node.module).split(".")[0] == "chaos"] == []


def _public_classes(folder: str) -> list[type[Any]]:
    modules = [import_module(name(path).removesuffix(".py").replace("/", ".")) for path in sources(folder)]
    return [
        value
        for module in modules
        for value in vars(module).values()
        if isinstance(value, type) and value.__module__ == module.__name__
    ]


def test_every_request_has_exactly_one_rule() -> None:
    requests = {
        cls
        for cls in _public_classes("state/messages")
        if issubclass(cls, Request) and cls not in (Request, SmallRead, LongRead)
    }

    assert not set(RULES) & set(LOG_RULES), "a request goes to one database"
    assert set(EVERY_RULE) == requests
    assert len(set(EVERY_RULE.values())) == len(EVERY_RULE), "one rule answers two requests"


@pytest.mark.parametrize("request_class", EVERY_RULE, ids=lambda cls: cls.__name__)
def test_rule_takes_a_transaction_its_request_and_an_instant_and_answers_the_reply(request_class: type[Any]) -> None:
    rule = EVERY_RULE[request_class]
    hints = get_type_hints(rule)

    assert inspect.iscoroutinefunction(rule)
    assert list(hints) == ["tx", "request", "at", "return"]
    assert hints["request"] is request_class
    (base,) = (base for base in request_class.__orig_bases__ if getattr(base, "__args__", None))
    assert hints["return"] == base.__args__[0]


def test_every_public_coroutine_of_a_rule_file_is_registered_or_used() -> None:
    registered = {f"{rule.__module__}.{rule.__qualname__}" for rule in EVERY_RULE.values()}
    used = {imported for path in sources("state") for imported in imports(path)}
    coroutines = {
        f"{name(path).removesuffix('.py').replace('/', '.')}.{node.name}"
        for path in sources("state/rules")
        for node in ast.parse(path.read_text(encoding="utf-8")).body
        if isinstance(node, ast.AsyncFunctionDef) and not node.name.startswith("_")
    }
    in_their_own_file = {
        coroutine
        for coroutine in coroutines
        if (ROOT / f"{coroutine.rpartition('.')[0].replace('.', '/')}.py")
        .read_text(encoding="utf-8")
        .count(f"{coroutine.rpartition('.')[2]}(")
        > 1
    }

    assert coroutines - registered - used - in_their_own_file == set()


def _packages() -> dict[str, Any]:
    return dict(tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["setuptools"])


def test_wheel_holds_every_package_of_the_tree() -> None:
    folders = {path.parent for path in sources(*SHIPPED)} - {ROOT / "config" / "launcher"}
    packages = {f"memoryd._app.{name(folder).replace('/', '.')}" for folder in folders}

    assert set(_packages()["packages"]) == packages | {"memoryd", "memoryd._app"}


@pytest.mark.parametrize("folder", sorted({name(path.parent) for path in sources(*SHIPPED)}))
def test_package_can_be_found_by_its_name(folder: str) -> None:
    assert (ROOT / folder / "__init__.py").is_file()


def test_wheel_holds_every_other_file_that_the_packages_need() -> None:
    patterns = _packages()["package-data"]
    needed = [
        path
        for folder in SHIPPED
        for path in (ROOT / folder).rglob("*")
        if path.is_file() and path.suffix not in (".py", ".pyc")
    ]

    assert needed, "migrations at least"
    for path in needed:
        package = f"memoryd._app.{name(path.parent).replace('/', '.')}"
        assert any(path.match(pattern) for pattern in patterns.get(package, [])), name(path)


@pytest.mark.parametrize("path", [path for path in SHIPPED_FILES if path.stat().st_size], ids=name)
def test_module_begins_with_what_it_is_for(path: Path) -> None:
    assert ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))


@pytest.mark.parametrize("path", [*SHIPPED_FILES, *sources("tests")], ids=name)
def test_file_is_not_too_long(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= LINES_MAX


LATE = (
    "backports",
    "cattrs",
    "chaos",
    "cyclopts.help",
    "email",
    "http",
    "httpx",
    "multiprocessing",
    "openai",
    "prometheus_client",
    "pygments",
    "rich",
    "watchfiles",
    "workers.backfill",
    "workers.consolidation",
    "workers.doctor",
    "workers.extraction",
    "workers.models",
    "workers.publishing",
    "state.messages.consolidation",
    "state.messages.drift",
    "state.rollouts.conversation",
    "state.rollouts.fold",
    "state.rules.extraction",
)
"""What costs time to import, and what neither an opening nor a command that lists needs."""


_WHAT_IS_IMPORTED = """
import os, sys, supervisor

def tell(_ready=None):
    os.write(3, " ".join(sys.modules).encode())
    os._exit(0)

supervisor._notify_systemd = tell
supervisor.main(sys.argv[1:])
tell()
"""
"""Runs a command until it says that it is ready, or until it ends; then names every module on descriptor 3."""


def _imported_by(folder: Path, *arguments: str) -> set[str]:
    places = ["--codex-home", str(folder / "codex"), "--state-dir", str(folder / "state")]
    names = folder / "modules"
    command = [sys.executable, "-c", _WHAT_IS_IMPORTED, *arguments, *places]
    done = subprocess.run(
        ["sh", "-c", 'exec "$@" 3>"$0"', str(names), *command], cwd=ROOT, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    return set(names.read_text(encoding="utf-8").split())


@pytest.mark.parametrize("arguments", [("run",), ("threads", "list")], ids=" ".join)
def test_what_a_start_does_not_need_is_not_imported(arguments: tuple[str, ...], tmp_path: Path) -> None:
    (tmp_path / "codex").mkdir()

    imported = _imported_by(tmp_path, *arguments)

    assert {"trio", "apsw", "commands"} <= imported
    assert sorted(module for module in imported for late in LATE if f"{module}.".startswith(f"{late}.")) == []


def test_the_entry_point_imports_no_command_but_the_one_that_is_named(tmp_path: Path) -> None:
    commands = {path.stem for path in sources("interfaces/cli")} & set(COMMANDS)

    imported = {module.rpartition(".")[2] for module in _imported_by(tmp_path, "paths") if "interfaces.cli." in module}

    assert imported & commands == {"paths"}
