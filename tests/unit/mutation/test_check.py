"""The mutation check itself: what it says of bugs that are noticed, are not, are out of date, or could never run."""

import shutil
from pathlib import Path

import pytest

from tests.mutation.__main__ import ROOT, line_of, main, named_tests
from tests.mutation.catalogue import MUTATIONS
from tests.mutation.check import Outcome, TestRun, check, check_all, judge
from tests.mutation.mutation import RULES, Edit, Mutation, NotApplicableError, apply

RULE = '''"""A rule."""

LIMIT = 5


def is_over(number: int) -> bool:
    return number > LIMIT


def is_over_or_equal(number: int) -> bool:
    return number >= LIMIT
'''


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A small tree with one rule."""
    rules = tmp_path / "tree/state/rules/deep"
    rules.mkdir(parents=True)
    (rules / "limits.py").write_text(RULE)
    return tmp_path / "tree"


def mutation(old: str, new: str, *inside: str) -> Mutation:
    return Mutation(
        name="a-bug",
        bug="It is wrong.",
        edits=(Edit(inside=inside or ("is_over",), old=old, new=new),),
        tests=("tests/test_limits.py",),
    )


def notices(root: Path, tests: tuple[str, ...]) -> TestRun:
    """A run of tests that fails when the rule of the tree lets its limit pass for more than the limit."""
    names: dict[str, object] = {}
    exec((root / "state/rules/deep/limits.py").read_text(), names)
    is_over = names["is_over"]
    assert callable(is_over)
    if is_over(5) or not is_over(6):
        return TestRun(exit_code=1, output=f"FAILED {tests[0]}::test_five_is_not_over_five - assert not True\n")
    return TestRun(exit_code=0, output="1 passed")


def test_bug_that_a_test_notices_is_caught_by_that_test(tree: Path) -> None:
    verdict = check(mutation("number >", "number >="), tree, notices)

    assert verdict.outcome is Outcome.CAUGHT
    assert verdict.detail == "tests/test_limits.py::test_five_is_not_over_five"
    assert verdict.files == ("state/rules/deep/limits.py",)


def test_mutation_that_changes_nothing_survives(tree: Path) -> None:
    assert check(mutation("number > LIMIT", "LIMIT < number"), tree, notices).outcome is Outcome.SURVIVED


@pytest.mark.parametrize(
    ("old", "inside"),
    [
        ("number < LIMIT", "is_over"),
        ("number > LIMIT", "is_gone"),
        ("number > LIMIT", "is_over_or_equal"),
        ("e", "LIMIT"),
    ],
    ids=["no such text", "no such definition", "elsewhere", "another definition"],
)
def test_text_that_is_not_there_must_be_brought_up_to_date(tree: Path, old: str, inside: str) -> None:
    verdict = check(mutation(old, "", inside), tree, notices)

    assert verdict.outcome is Outcome.NOT_APPLICABLE
    assert verdict.detail.startswith("a-bug must be brought up to date: ")
    assert "stands 0 times" in verdict.detail


def test_text_that_is_there_twice_must_be_brought_up_to_date(tree: Path) -> None:
    verdict = check(mutation("LIMIT", "4", "is_over", "is_over_or_equal"), tree, notices)

    assert verdict.outcome is Outcome.NOT_APPLICABLE
    assert "stands 2 times" in verdict.detail


def test_tree_itself_is_never_changed(tree: Path) -> None:
    check(mutation("number >", "number >="), tree, notices)

    assert (tree / "state/rules/deep/limits.py").read_text() == RULE


def test_verdicts_come_for_every_mutation(tree: Path) -> None:
    asked = [mutation("number >", "number >="), mutation("number > LIMIT", "LIMIT < number"), mutation("gone", "")]

    verdicts = list(check_all(asked, tree, notices, at_a_time=2))

    assert {verdict.outcome for verdict in verdicts} == {Outcome.CAUGHT, Outcome.SURVIVED, Outcome.NOT_APPLICABLE}
    assert all("a-bug" in line_of(verdict) for verdict in verdicts)


@pytest.mark.parametrize(
    ("run", "outcome"),
    [
        (TestRun(exit_code=0, output="3 passed"), Outcome.SURVIVED),
        (TestRun(exit_code=1, output="FAILED tests/test_a.py::test_b - assert 1 == 2"), Outcome.CAUGHT),
        (TestRun(exit_code=1, output="E  apsw.SQLError: near\nFAILED tests/test_a.py::test_b"), Outcome.BROKEN),
        (TestRun(exit_code=1, output="E  NameError: x\nFAILED tests/test_a.py::test_b"), Outcome.BROKEN),
        (TestRun(exit_code=1, output="ERROR tests/test_a.py"), Outcome.BROKEN),
        (TestRun(exit_code=4, output="no such file"), Outcome.BROKEN),
        (TestRun(exit_code=5, output="no tests ran"), Outcome.BROKEN),
        (TestRun(exit_code=None, output="the tests were not done"), Outcome.BROKEN),
    ],
)
def test_only_a_test_that_failed_over_running_code_catches(run: TestRun, outcome: Outcome) -> None:
    assert judge(run)[0] is outcome


@pytest.mark.parametrize("one", MUTATIONS, ids=lambda one: one.name)
def test_catalogue_is_up_to_date_with_the_rules(one: Mutation, tmp_path: Path) -> None:
    shutil.copytree(ROOT / RULES, tmp_path / RULES)
    for changed in apply(one, tmp_path):
        compile((tmp_path / changed).read_text(encoding="utf-8"), changed, "exec")
    assert all((ROOT / test).is_file() for test in one.tests)


def test_names_of_mutations_are_unique() -> None:
    assert len({one.name for one in MUTATIONS}) == len(MUTATIONS)
    assert named_tests([*MUTATIONS, *MUTATIONS]) == named_tests(list(MUTATIONS))


def test_edit_keeps_everything_around_it(tree: Path) -> None:
    apply(mutation("LIMIT", "4"), tree)

    changed = (tree / "state/rules/deep/limits.py").read_text()
    assert changed == RULE.replace("number > LIMIT", "number > 4")


def test_edits_of_one_mutation_are_made_together_or_refused(tree: Path) -> None:
    both = Mutation(
        name="two",
        bug="Both are wrong.",
        edits=(
            Edit(inside=("is_over",), old="number > LIMIT", new="number >= LIMIT"),
            Edit(inside=("is_over_or_equal",), old=">=", new="=="),
        ),
        tests=("tests/test_limits.py",),
    )

    assert apply(both, tree) == ("state/rules/deep/limits.py",)
    with pytest.raises(NotApplicableError):
        apply(both, tree)


def test_name_that_no_mutation_has_is_an_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["no such bug"]) == 1
    assert "no mutation has such a name" in capsys.readouterr().err
