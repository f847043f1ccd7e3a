"""What a simulation of a tree with a bug means."""

import json
from typing import Any

import pytest

from tests.mutation.check import Outcome, TestRun
from tests.mutation.simulated import judge_simulation


def said(**more: Any) -> TestRun:
    """What a run says in its last line."""
    line = {"law": None, "found": "", "seed": None, "seeds": 9, "seconds": 1.5, **more}
    return TestRun(exit_code=0 if line["law"] is None else 1, output=f"noise\n{json.dumps(line)}\n")


@pytest.mark.parametrize(
    ("run", "outcome"),
    [
        (said(law="nobody_is_robbed", found="scan: freed", seed=4), Outcome.CAUGHT),
        (said(), Outcome.SURVIVED),
        (said(law="a_service_ends_only_when_it_is_told_to", found="NameError('x')", seed=1), Outcome.BROKEN),
        (TestRun(exit_code=1, output="Traceback\nSyntaxError: invalid syntax"), Outcome.BROKEN),
        (TestRun(exit_code=None, output=""), Outcome.BROKEN),
    ],
)
def test_only_a_broken_law_catches_a_bug(run: TestRun, outcome: Outcome) -> None:
    assert judge_simulation(run)[0] is outcome


def test_law_seed_and_time_are_told() -> None:
    detail = judge_simulation(said(law="nobody_is_robbed", seed=4))[1]

    assert detail == "nobody_is_robbed, seed 4, 1.5 s"
