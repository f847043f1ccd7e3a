"""The real binary, one home that it filled, and memoryd's view of that home: each made once per test session.

Without the binary these tests are skipped with the reason; with MEMORYD_REQUIRE_INTEROP=1 they fail instead.
"""

import os
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.fakes.command import Memoryd
from tests.fakes.model_server import fake_model_server
from tests.interop.codex import forget_state_database
from tests.interop.genuine_home import GenuineHome, aged_copy, build_genuine_home
from tests.interop.installation import CodexUnavailableError, codex_binary
from tests.interop.thread_rows import Row, codex_rows, comparable
from tests.interop.varieties import Variety


@pytest.fixture(scope="session")
def codex_program() -> Path:
    """The native Codex binary."""
    try:
        return codex_binary()
    except CodexUnavailableError as reason:
        if os.environ.get("MEMORYD_REQUIRE_INTEROP") == "1":
            pytest.fail(f"the real Codex binary is required: {reason}")
        pytest.skip(f"no real Codex binary: {reason}")


@pytest.fixture(scope="session")
def codex_home(codex_program: Path, tmp_path_factory: pytest.TempPathFactory) -> GenuineHome:
    """A home with every variety of thread; nobody may change it."""
    with fake_model_server() as model:
        return build_genuine_home(codex_program, model, tmp_path_factory.mktemp("genuine"))


@pytest.fixture(scope="session")
def codex_live_rows(codex_home: GenuineHome, tmp_path_factory: pytest.TempPathFactory) -> Mapping[Variety, Row]:
    """The rows that the real binary wrote while the threads lived."""
    return _by_variety(codex_home, tmp_path_factory.mktemp("live-database"))


@pytest.fixture(scope="session")
def rebuilt_home(codex_home: GenuineHome, tmp_path_factory: pytest.TempPathFactory) -> GenuineHome:
    """A copy of the home whose thread index the real binary has built again from the rollouts alone."""
    copy = aged_copy(codex_home, tmp_path_factory.mktemp("rebuilt"))
    forget_state_database(copy.path)
    with copy.codex.app_server(copy.codex.person) as server:
        server.initialize()
    return copy


@pytest.fixture(scope="session")
def codex_rebuilt_rows(rebuilt_home: GenuineHome, tmp_path_factory: pytest.TempPathFactory) -> Mapping[Variety, Row]:
    """The rows that the real binary's backfill wrote."""
    return _by_variety(rebuilt_home, tmp_path_factory.mktemp("rebuilt-database"))


@pytest.fixture(scope="session")
def memoryd(codex_home: GenuineHome, tmp_path_factory: pytest.TempPathFactory) -> Memoryd:
    """memoryd with an index of the home."""
    return _with_an_index(codex_home, tmp_path_factory.mktemp("live-state"))


@pytest.fixture(scope="session")
def memoryd_live_rows(codex_home: GenuineHome, memoryd: Memoryd) -> Mapping[Variety, Row]:
    """What memoryd lists of the home."""
    return _listed(codex_home, memoryd)


@pytest.fixture(scope="session")
def memoryd_rebuilt_rows(rebuilt_home: GenuineHome, tmp_path_factory: pytest.TempPathFactory) -> Mapping[Variety, Row]:
    """What memoryd lists of the copy."""
    return _listed(rebuilt_home, _with_an_index(rebuilt_home, tmp_path_factory.mktemp("rebuilt-state")))


def _by_variety(home: GenuineHome, scratch: Path) -> dict[Variety, Row]:
    rows = codex_rows(home.path, scratch)
    return {variety: rows[thread] for variety, thread in home.threads.items()}


def _with_an_index(home: GenuineHome, state: Path) -> Memoryd:
    memoryd = Memoryd(codex_home=home.path, state_dir=state, person=home.codex.person)
    memoryd.ask("once", "--only", "backfill")
    return memoryd


def _listed(home: GenuineHome, memoryd: Memoryd) -> dict[Variety, Row]:
    threads = [*memoryd.threads(), *memoryd.threads("--archived")]
    rows = {thread["id"]: comparable(thread, home.path) for thread in threads}
    return {variety: rows[thread] for variety, thread in home.threads.items()}
