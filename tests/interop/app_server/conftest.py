"""Both servers, on the library: started once for all questions, since nobody changes anything there."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import attrs
import pytest

from tests.interop.app_server.client import AppServer
from tests.interop.app_server.library import write_library
from tests.interop.app_server.normal import Normal
from tests.interop.app_server.pair import settle_pair

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: Sequence[pytest.Item]) -> None:
    """Mark what is in this folder: some answers still differ, so these are asked for by name (`make compare`)."""
    for item in items:
        if item.path.is_relative_to(HERE):
            item.add_marker(pytest.mark.comparison)


@attrs.frozen
class Reader:
    """One running server and what makes its answers comparable."""

    server: AppServer
    normal: Normal


@pytest.fixture(scope="session")
def library(codex_program: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Reader, Reader]]:
    """The real binary and memoryd, each on its own copy of the library."""
    pair = settle_pair(codex_program, tmp_path_factory.mktemp("library"), write_library)
    with pair.serving() as (codex, memoryd):
        yield Reader(codex, pair.codex.normal()), Reader(memoryd, pair.memoryd.normal())
