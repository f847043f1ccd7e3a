"""What a defect of ours does to the reading of one file."""

from pathlib import Path

import pytest

from tests.fakes.readings import found, path_of
from workers.reading import files


def test_reason_that_a_defect_leaves_in_a_files_row_holds_no_secret(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def defect(*_: object, **__: object) -> None:
        raise AssertionError(f"the line says sk-{'a1' * 20}")

    monkeypatch.setattr(files, "read_rollout", defect)

    assert files.read_files(tmp_path, (found(path_of(1)),), {}) == [
        "internal error: AssertionError: the line says [REDACTED_SECRET]"
    ]
