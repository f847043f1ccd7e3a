"""What the benchmarks of the store and of jobs share: children that begin together, slow syncs, percentiles."""

import ctypes
from pathlib import Path

import pytest

from benchmarks.crew import percentile
from benchmarks.job_rows import fill_state, token_name
from benchmarks.slow_sync import environment_with_slow_syncs
from chaos.disk.asked_store import BUSY_DEADLINE_MS
from state.clock import machine_clock
from state.ids import OwnershipToken
from state.messages.extraction import ClaimExtraction, Eligibility, ExtractionClaimed, RenewExtraction
from state.messages.leases import Renewed
from state.opening import open_for_writing
from tests.fakes.direct_store import DirectStore
from tests.fakes.memory_state import terms


def test_percentile_is_a_value_that_was_measured() -> None:
    assert percentile([3.0, 1.0, 2.0], 0.5) == 2.0
    assert percentile([3.0, 1.0, 2.0], 0.99) == 3.0


@pytest.mark.parametrize("running", [False, True])
def test_made_up_jobs_are_jobs_to_the_store(tmp_path: Path, running: bool) -> None:
    folder = fill_state(tmp_path / "state", 3, running=running)
    opened = open_for_writing(folder, "/home/nobody/.codex", machine_clock, BUSY_DEADLINE_MS)
    store = DirectStore(opened.group_commit)
    if running:
        asked = RenewExtraction(token=OwnershipToken(token_name(2)), lease_ms=1_000)
        assert isinstance(store.ask(asked), Renewed)
    else:
        everything = Eligibility(sources=("cli",), idle_ms=0, age_ms_max=None)
        assert isinstance(store.ask(ClaimExtraction(terms=terms("a"), eligibility=everything)), ExtractionClaimed)
    opened.long_reads.close()
    opened.group_commit.close()
    opened.locks.close()


def test_slow_syncs_are_a_library_that_can_be_loaded_or_nothing(tmp_path: Path) -> None:
    environment = environment_with_slow_syncs(tmp_path, 2.0)

    if environment is not None:
        assert environment["SLOW_SYNC_US"] == "2000"
        assert hasattr(ctypes.CDLL(environment["LD_PRELOAD"]), "fdatasync")
