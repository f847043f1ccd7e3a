"""Running mutations: each in a copy of the tree of its own, with the tests that must notice it."""

import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from enum import StrEnum
from pathlib import Path

import attrs

from tests.mutation.mutation import Mutation, NotApplicableError, apply

SECONDS_MAX = 300
"""A run of tests that takes longer has found nothing out; a bug that only makes tests endless is no good mutation."""

NOT_COPIED = shutil.ignore_patterns(".*", "__pycache__", "build", "dist", "*.egg-info", "benchmarks", "interop")

NO_BUG = re.compile(r"apsw\.(SQLError|BindingsError)|\b(SyntaxError|NameError|ImportError|UnboundLocalError)\b")
"""What tests say of code that could never have run: every test notices that, so it shows nothing of the properties."""

_FAILED = re.compile(r"^FAILED (\S+)", re.MULTILINE)


class Outcome(StrEnum):
    """What became of a mutation; only the first is good."""

    CAUGHT = "caught"
    SURVIVED = "SURVIVED"
    NOT_APPLICABLE = "NOT APPLICABLE"
    BROKEN = "BROKEN"
    """The mutated code cannot run, or the tests could not: no bug that anybody would have written."""


@attrs.frozen(kw_only=True)
class TestRun:
    """How a run of tests ended: pytest's exit code (None: too late) and all that it said."""

    __test__ = False  # no test, whatever pytest makes of the name

    exit_code: int | None
    output: str


@attrs.frozen(kw_only=True)
class Verdict:
    """What became of one mutation.

    Attributes:
      detail: the test that caught it, or why there is no verdict.
      files: the files that it changes.
    """

    mutation: Mutation
    outcome: Outcome
    detail: str
    files: tuple[str, ...]
    seconds: float


Runner = Callable[[Path, tuple[str, ...]], TestRun]
"""Runs tests in a tree."""

Judge = Callable[[TestRun], tuple["Outcome", str]]
"""Says what a run means."""


def run_pytest(root: Path, tests: tuple[str, ...], seed: str) -> TestRun:
    """Run tests in the tree at `root` until the first failure, without looking for smaller counterexamples."""
    command = [sys.executable, "-B", "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider"]
    command += ["--hypothesis-profile=unshrunk", f"--hypothesis-seed={seed}", *tests]
    try:
        done = subprocess.run(
            command, cwd=root, capture_output=True, text=True, errors="replace", timeout=SECONDS_MAX, check=False
        )
    except subprocess.TimeoutExpired:
        return TestRun(exit_code=None, output=f"the tests were not done after {SECONDS_MAX} s")
    return TestRun(exit_code=done.returncode, output=done.stdout + done.stderr)


def check_all(
    mutations: Iterable[Mutation], tree: Path, run: Runner, *, at_a_time: int, meaning: Judge | None = None
) -> Iterator[Verdict]:
    """Check mutations, several at a time; their verdicts come as they are reached."""
    with ThreadPoolExecutor(max_workers=at_a_time) as pool:
        waiting = [pool.submit(check, mutation, tree, run, meaning or judge) for mutation in mutations]
        try:
            for done in as_completed(waiting):
                yield done.result()
        finally:
            for one in waiting:
                one.cancel()


def check(mutation: Mutation, tree: Path, run: Runner, meaning: Judge | None = None) -> Verdict:
    """Put one bug into a copy of the tree and see whether its tests notice; the tree itself stays as it is."""
    began = time.monotonic()
    files: tuple[str, ...] = ()
    with tempfile.TemporaryDirectory(prefix="memoryd-mutation-") as folder:
        copy = copy_tree(tree, Path(folder))
        try:
            files = apply(mutation, copy)
        except NotApplicableError as error:
            outcome, detail = Outcome.NOT_APPLICABLE, str(error)
        else:
            outcome, detail = (meaning or judge)(run(copy, mutation.tests))
    return Verdict(mutation=mutation, outcome=outcome, detail=detail, files=files, seconds=time.monotonic() - began)


def copy_tree(tree: Path, folder: Path) -> Path:
    """Copy what the tests need of a tree into `folder`; answer where the copy is."""
    copy = folder / "tree"
    shutil.copytree(tree, copy, ignore=NOT_COPIED)
    return copy


def judge(run: TestRun) -> tuple[Outcome, str]:
    """Say what a run of the tests means for the mutation in its tree, with the test that failed or the reason."""
    if run.exit_code == 0:
        return Outcome.SURVIVED, "no test noticed"
    failed = _FAILED.search(run.output)
    no_bug = NO_BUG.search(run.output)
    if run.exit_code != 1 or failed is None:
        return Outcome.BROKEN, f"the tests did not run: {_last_line(run.output)}"
    if no_bug is not None:
        return Outcome.BROKEN, f"the mutated code cannot run: {no_bug.group()}"
    return Outcome.CAUGHT, failed.group(1)


def _last_line(text: str) -> str:
    lines = text.strip().splitlines()
    return lines[-1] if lines else "they said nothing"
