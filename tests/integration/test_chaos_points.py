"""A run that is killed at points of every phase, and many services that start at once: real processes."""

import tempfile
from pathlib import Path

import pytest

from chaos.points.conduct import conduct
from chaos.starts import start_together

pytestmark = pytest.mark.slow


def test_run_that_is_killed_at_any_point_ends_as_one_that_is_not() -> None:
    report = conduct(seed=3, wanted=16, steps=25, workers=2, say=lambda _: None)

    assert report.violations == ()
    assert report.killed == len(report.trials) == 16
    assert all(count > 10 for count in report.points.values())


def test_services_that_start_at_one_moment_all_become_ready() -> None:
    report = start_together(10)

    assert report.failures == ()
    assert len(report.services) == len(report.again) == len(report.bare) == 10


def test_services_become_ready_below_a_temporary_folder_with_a_long_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Longer than a Unix socket's path may be."""
    (deep := tmp_path / ("deep" * 30)).mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(deep))

    assert start_together(1).failures == ()
