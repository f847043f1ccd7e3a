"""Threads of older versions are what today's binary makes of them, column by column, and are remembered once."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.fakes.command import Memoryd
from tests.fakes.model_server import fake_model_server
from tests.interop.installation import CodexUnavailableError
from tests.interop.old_home import FIRST_VARIETIES, OldHome, OldVariety, build_old_home
from tests.interop.thread_rows import COLUMN_GROUPS, BetterAnswer, Row, codex_rows, comparable, differences

pytestmark = pytest.mark.interop

DEFAULT_PROVIDER = "loopback"
"""The first rollouts do not name their provider; the one of the configuration stands in for it."""

BETTER_ANSWERS: tuple[BetterAnswer[OldVariety], ...] = (
    BetterAnswer(
        columns=("approval_mode",),
        varieties=FIRST_VARIETIES,
        reason="Today's Codex does not understand the turn_context of that version and shows its default.",
        holds=lambda theirs, ours, column: (theirs[column], ours[column]) == ("on-request", "never"),
    ),
    BetterAnswer(
        columns=("model",),
        varieties=FIRST_VARIETIES,
        reason="The same.",
        holds=lambda theirs, ours, column: (theirs[column], ours[column]) == (None, "gpt-5"),
    ),
    BetterAnswer(
        columns=("sandbox_policy",),
        varieties=FIRST_VARIETIES,
        reason="The same; the session ran without a sandbox.",
        holds=lambda theirs, ours, column: theirs[column] != ours[column] == {"type": "disabled"},
    ),
)


@pytest.fixture(scope="module")
def old_home(codex_program: Path, tmp_path_factory: pytest.TempPathFactory) -> OldHome:
    try:
        with fake_model_server() as model:
            return build_old_home(model, tmp_path_factory.mktemp("old"))
    except CodexUnavailableError as reason:
        pytest.skip(f"no old Codex binary: {reason}")


@pytest.fixture(scope="module")
def codex_old_rows(old_home: OldHome, tmp_path_factory: pytest.TempPathFactory) -> Mapping[OldVariety, Row]:
    rows = codex_rows(old_home.codex.home, tmp_path_factory.mktemp("old-database"))
    return {variety: rows[thread] for variety, thread in old_home.threads.items()}


@pytest.fixture(scope="module")
def memoryd(old_home: OldHome, tmp_path_factory: pytest.TempPathFactory) -> Memoryd:
    memoryd = Memoryd(
        codex_home=old_home.codex.home, state_dir=tmp_path_factory.mktemp("old-state"), person=old_home.codex.person
    )
    memoryd.once("--set", f"codex.model_provider_default={DEFAULT_PROVIDER}")
    return memoryd


@pytest.fixture(scope="module")
def memoryd_old_rows(old_home: OldHome, memoryd: Memoryd) -> Mapping[OldVariety, Row]:
    rows = {thread["id"]: comparable(thread, old_home.codex.home) for thread in memoryd.threads()}
    return {variety: rows[thread] for variety, thread in old_home.threads.items()}


@pytest.mark.parametrize("group", COLUMN_GROUPS)
@pytest.mark.parametrize("variety", OldVariety)
def test_old_thread_is_the_one_that_codex_makes_of_it(
    variety: OldVariety,
    group: str,
    codex_old_rows: Mapping[OldVariety, Row],
    memoryd_old_rows: Mapping[OldVariety, Row],
) -> None:
    theirs, ours = codex_old_rows[variety], memoryd_old_rows[variety]

    found = differences(variety, COLUMN_GROUPS[group], theirs, ours, BETTER_ANSWERS)
    assert not found, "\n".join(found)


def test_what_a_fork_has_copied_is_remembered_of_its_parent_alone(old_home: OldHome, memoryd: Memoryd) -> None:
    jobs = {job["thread_id"]: job["status"] for job in memoryd.ask("jobs", "list")["jobs"]}

    assert old_home.threads[OldVariety.LAST_FORKED] not in jobs
    assert {old_home.threads[OldVariety.LAST_PARENT], old_home.threads[OldVariety.LAST_FORKED_TURN]} <= jobs.keys()


@pytest.mark.parametrize(
    ("variety", "wish"),
    [
        (OldVariety.FIRST_COMMANDS, "recipe.txt"),
        (OldVariety.LAST_PARENT, "marzipan"),
        (OldVariety.LAST_FORKED_TURN, "tabs"),
    ],
)
def test_wish_is_remembered_of_the_thread_that_it_was_said_in(
    variety: OldVariety, wish: str, old_home: OldHome, memoryd: Memoryd
) -> None:
    (memory,) = memoryd.ask("memories", "show", old_home.threads[variety])["memories"]

    assert wish in memory["raw_memory"]
    assert [other for other in ("recipe.txt", "marzipan", "tabs") if other in memory["raw_memory"]] == [wish]
