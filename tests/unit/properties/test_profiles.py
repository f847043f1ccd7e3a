"""The depth of properties: what is counted, what a seed replays, and that there is one place that says how deep."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import settings

from tests.properties import profiles

ROOT = Path(__file__).parents[3]

MACHINE = """
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, rule
from tests.properties.profiles import machine_test

RAN = []
DRAWN = []

class Counter(RuleBasedStateMachine):
    numbers = Bundle("numbers")

    @rule(target=numbers, number=st.integers())
    def keep(self, number):
        RAN.append("keep")
        DRAWN.append(number)
        return number

    @rule(number=numbers)
    def show(self, number):
        RAN.append("show")
        DRAWN.append(number)
        assert number < LIMIT

TestCounter = machine_test(Counter)

def test_what_was_drawn():
    print("ran", len(RAN), "drew", hash(tuple(DRAWN)))
"""


@pytest.fixture
def suite(tmp_path: Path) -> Path:
    """A folder for tests of its own that use the project's plugin."""
    (tmp_path / "pytest.ini").write_text(f"[pytest]\npythonpath = {ROOT}\n")
    (tmp_path / "conftest.py").write_text('pytest_plugins = ["tests.properties.plugin"]\n')
    return tmp_path


def run(suite: Path, limit: str, *arguments: str) -> str:
    (suite / "test_counter.py").write_text(f"LIMIT = {limit}\n{MACHINE}")
    command = [sys.executable, "-m", "pytest", "-rP", "-p", "no:cacheprovider", *arguments]
    return subprocess.run(command, cwd=suite, capture_output=True, text=True, timeout=120, check=False).stdout


def find(pattern: str, text: str) -> str:
    found = re.search(pattern, text)
    assert found is not None, text
    return found.group(1)


def test_every_executed_rule_counts_and_nothing_else(suite: Path) -> None:
    said = run(suite, "float('inf')")

    assert find(r"([\d,]+) rules executed by Counter", said).replace(",", "") == find(r"ran (\d+)", said)


def test_same_seed_draws_the_same_and_another_one_does_not(suite: Path) -> None:
    drawn = [find(r"drew (-?\d+)", run(suite, "float('inf')", f"--hypothesis-seed={seed}")) for seed in ("7", "7", "8")]

    assert drawn[0] == drawn[1] != drawn[2]


def test_session_says_its_seed_and_replays_with_it(suite: Path) -> None:
    said = run(suite, "float('inf')")
    seed = find(r"replay with: make test SEED=(\d+)", said)

    again = run(suite, "float('inf')", f"--hypothesis-seed={seed}")

    assert find(r"drew (-?\d+)", said) == find(r"drew (-?\d+)", again)


def test_failure_says_how_to_replay_it_and_the_replay_fails_alike_in_every_process(suite: Path) -> None:
    said = run(suite, "1000", "-n", "2")
    seed = find(r"make test SEED=(\d+)\nalone: ", said)
    (suite / ".hypothesis").rename(suite / "kept elsewhere")  # so that nothing but the seed leads to it

    alone = run(suite, "1000", "test_counter.py::TestCounter::runTest", f"--hypothesis-seed={seed}")

    assert "1 failed" in said
    assert "1 failed" in alone
    steps = r"state = Counter\(\)(?:.|\n)*state.teardown\(\)"
    assert find(f"({steps})", said) == find(f"({steps})", alone)


def test_deep_profile_promises_what_it_runs() -> None:
    deep = settings.get_profile("deep")

    assert deep.max_examples * deep.stateful_step_count > profiles.STEPS_MIN_DEEP
    assert settings.get_profile("fast").max_examples == profiles.EXAMPLES_FAST


def test_every_property_takes_its_depth_from_the_profiles() -> None:
    own = re.compile(r"\b(max_examples|stateful_step_count)\s*=|\.TestCase\b")

    sources = [path for path in sorted((ROOT / "tests/properties").glob("*.py")) if path.name != "profiles.py"]

    assert sources
    assert [path.name for path in sources if own.search(path.read_text(encoding="utf-8"))] == []
