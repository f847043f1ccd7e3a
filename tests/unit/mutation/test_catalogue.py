"""The catalogue of bugs fits the tree: a rule that was rewritten takes its bugs along."""

import shutil
from pathlib import Path

import pytest

from tests.mutation.catalogue import MUTATIONS
from tests.mutation.mutation import RULES, Mutation, apply

TREE = Path(__file__).parents[3]


@pytest.fixture
def rules(tmp_path: Path) -> Path:
    """A tree of rules alone, to be spoilt."""
    shutil.copytree(TREE / RULES, tmp_path / RULES)
    return tmp_path


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda mutation: mutation.name)
def test_bug_can_be_put_into_the_rules_as_they_are(mutation: Mutation, rules: Path) -> None:
    assert apply(mutation, rules)


def test_names_of_bugs_are_unique() -> None:
    names = [mutation.name for mutation in MUTATIONS]
    assert len(set(names)) == len(names)
