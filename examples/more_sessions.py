"""As many further sessions as are asked for, drawn at random: plain work, for a home that is larger than the sample."""

import random

from examples.sample_sessions import DAY, DOTFILES, SHOP, TIDES
from examples.story import Answers, Edit, Format, Patches, Project, Runs, Session, Turn

TESTS: tuple[tuple[Project, str], ...] = ((SHOP, "pnpm test"), (TIDES, "uv run pytest"), (DOTFILES, "make check"))

TASKS = (
    ("Rename {old} to {new} everywhere.", "{old} is called {new} now."),
    ("Log a warning when {old} is empty.", "An empty {old} leaves a warning in the log."),
    ("Write a test for {old} with two entries.", "The test covers {old} with none, one and two entries."),
    ("Explain how {old} and {new} belong together.", "{old} is built from {new}, once at start-up."),
)

NAMES = ("basket", "catalogue", "harbour", "invoice", "journal", "ledger", "lighthouse", "parcel", "station", "voucher")

AGE_DAYS_MIN, AGE_DAYS_MAX = 1.0, 120.0


def more_sessions(count: int, rng: random.Random) -> tuple[Session, ...]:
    """`count` sessions between one day and four months old, in both formats."""
    return tuple(_session(number, rng) for number in range(count))


def _session(number: int, rng: random.Random) -> Session:
    project, tests = rng.choice(TESTS)
    prompt, answer = rng.choice(TASKS)
    old, new = rng.sample(NAMES, k=2)
    passed = rng.randrange(5, 200)
    return Session(
        key=f"more-{number}",
        project=project,
        format=rng.choice(tuple(Format)),
        ended_hours_ago=rng.uniform(AGE_DAYS_MIN, AGE_DAYS_MAX) * DAY,
        source=rng.choice(("cli", "vscode")),
        turns=(
            Turn(
                prompt.format(old=old, new=new),
                (
                    Runs(f"rg -l {old}", f"src/{old}\n"),
                    Patches((Edit(f"src/{old}", old=f"{old}\n", new=f"{new}\n"),)),
                    Runs(tests, f"{passed} passed\n"),
                    Answers(answer.format(old=old, new=new)),
                ),
            ),
        ),
    )
