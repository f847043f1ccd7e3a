"""Several real processes on one store: killed and frozen at random moments, they lose no job and do none twice."""

from pathlib import Path

import pytest

from tests.integration.many_processes import Plan, run

pytestmark = pytest.mark.slow


def test_jobs_of_processes_that_are_killed_and_frozen_are_each_finished_exactly_once(tmp_path: Path) -> None:
    plan = Plan(processes=4, jobs=200, seed=20260912, crashes=8)

    report = run(plan, tmp_path)

    assert report.broken == (), f"seed {plan.seed}:\n" + "\n".join(report.broken)
    assert report.finishes + report.lost_finishes == plan.jobs, f"seed {plan.seed}: {report}"
    assert report.kills + report.freezes == plan.crashes, f"seed {plan.seed}: {report}"
    assert report.taken_over > 0, f"seed {plan.seed}: nothing was ever taken over: {report}"
    assert report.refused > 0, f"seed {plan.seed}: no dead token was ever shown: {report}"
