"""Many tasks, one store: whatever they do at one time, their jobs' histories can be explained, and no job is stuck."""

from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any

import attrs
import pytest
from hypothesis import HealthCheck, Phase, find, given, settings
from hypothesis.errors import NoSuchExample

from chaos.operations import Answer
from state.ids import Instant
from state.messages.base import Request
from state.messages.extraction import (
    ClaimExtraction,
    ExtractionFinished,
    FailExtraction,
    FinishExtraction,
    FinishResult,
    ReleaseExtraction,
    RenewExtraction,
)
from state.messages.leases import NotOwner, Renewed
from state.rules.registry import RULES
from state.transaction import Transaction
from tests.properties.many_tasks import STORIES, Story, Told, tell
from tests.properties.profiles import examples

ENDED = {"succeeded", "empty", "dead"}


def explained(told: Told) -> None:
    """Every law holds, and every job has ended."""
    assert told.findings == [], "\n".join(f"{finding.law}: {finding.story}" for finding in told.findings)
    assert set(told.statuses.values()) <= ENDED


@given(STORIES)
@examples(50)
def test_tasks_that_share_the_stores_thread_leave_a_history_that_can_be_explained(story: Story) -> None:
    explained(tell(story, inline=True))


@given(STORIES)
@examples(20)
def test_tasks_beside_the_stores_thread_leave_a_history_that_can_be_explained(story: Story) -> None:
    explained(tell(story, inline=False))


def seen(told: Told) -> Counter[str]:
    """What of interest happened in a story."""
    happened: Counter[str] = Counter()
    for operation in told.operations:
        name = type(operation.request).__name__
        if operation.answer in (Answer.LOST, Answer.WITHDRAWN):
            happened[str(operation.answer.value)] += 1
        elif operation.answer == NotOwner():
            happened[f"refused {name}"] += 1
        elif isinstance(operation.request, ClaimExtraction) and getattr(operation.answer, "attempt", 0) > 1:
            happened["claimed again"] += 1
    return happened


@pytest.mark.parametrize(
    "what",
    [
        "lost",
        "withdrawn",
        "claimed again",
        *(
            f"refused {request.__name__}"
            for request in (RenewExtraction, FinishExtraction, FailExtraction, ReleaseExtraction)
        ),
    ],
)
def test_stories_come_upon_everything_that_they_are_told_for(what: str) -> None:
    find(STORIES, lambda story: seen(tell(story, inline=True))[what] > 0, settings=SEARCH)


SEARCH = settings(
    max_examples=400,
    database=None,
    derandomize=True,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)
"""Nothing is made smaller: one story that shows it is enough."""

Rule = Callable[[Transaction, Any, Instant], Awaitable[Any]]


def robbing(rule: Rule) -> Rule:
    """Claims take jobs from living owners."""

    async def claim(tx: Transaction, request: ClaimExtraction, at: Instant) -> Any:
        terms = attrs.evolve(request.terms, stale_after_ms=0)
        return await rule(tx, attrs.evolve(request, terms=terms), at)

    return claim


def always_granted(answer: Any) -> Callable[[Rule], Rule]:
    """Whoever is refused is told that it worked."""

    def wrap(rule: Rule) -> Rule:
        async def pretend(tx: Transaction, request: Any, at: Instant) -> Any:
            reply = await rule(tx, request, at)
            return answer if reply == NotOwner() else reply

        return pretend

    return wrap


def without_a_fence(rule: Rule) -> Rule:
    """The fencing number stays what it was."""

    async def claim(tx: Transaction, request: ClaimExtraction, at: Instant) -> Any:
        reply = await rule(tx, request, at)
        await tx.execute(
            "UPDATE extraction_jobs SET fencing_number = fencing_number - 1 WHERE ownership_token = :token",
            token=request.terms.token,
        )
        return reply

    return claim


def touching(sql: str) -> Callable[[Rule], Rule]:
    """Whoever is refused changes something all the same."""

    def wrap(rule: Rule) -> Rule:
        async def meddle(tx: Transaction, request: Any, at: Instant) -> Any:
            reply = await rule(tx, request, at)
            if reply == NotOwner():
                await tx.execute(sql)
            return reply

        return meddle

    return wrap


MUTANTS: dict[str, tuple[type[Request[Any]], Callable[[Rule], Rule]]] = {
    "claims rob the living": (ClaimExtraction, robbing),
    "fencing numbers stand still": (ClaimExtraction, without_a_fence),
    "every renewal is granted": (RenewExtraction, always_granted(Renewed(lease_until_boot_ms=0))),
    "every finish is accepted": (
        FinishExtraction,
        always_granted(ExtractionFinished(result=FinishResult.UNCHANGED)),
    ),
    "a refused release frees the job": (
        ReleaseExtraction,
        touching(
            "UPDATE extraction_jobs SET status = 'pending', ownership_token = NULL, owner_process = NULL,"
            " owner_worker = NULL, lease_boot_id = NULL, lease_until_boot_ms = NULL, renewed_boot_ms = NULL"
            " WHERE status = 'running'"
        ),
    ),
    "a refused failure costs an attempt": (
        FailExtraction,
        touching("UPDATE extraction_jobs SET attempts = attempts + 1 WHERE status = 'running'"),
    ),
}


@pytest.mark.parametrize("mutant", MUTANTS)
def test_store_that_breaks_a_law_is_found_out(mutant: str, monkeypatch: pytest.MonkeyPatch) -> None:
    request, mutate = MUTANTS[mutant]
    assert isinstance(RULES, dict)
    monkeypatch.setitem(RULES, request, mutate(RULES[request]))
    try:
        find(STORIES, _is_found_out, settings=SEARCH)
    except NoSuchExample:
        pytest.fail(f"no story shows that {mutant}")


def _is_found_out(story: Story) -> bool:
    try:
        return bool(tell(story, inline=True).findings)
    except AssertionError:
        return True
