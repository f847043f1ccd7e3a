"""What a reading of a rollout means for jobs in several scopes of one thread."""

import pytest

from state.ids import Scope
from state.messages.extraction import FailureClass
from state.messages.leases import NotOwner
from tests.fakes.extraction import SHOP, claimed_of, draft, fail, finish, saved
from tests.fakes.memory_state import MemoryState
from tests.fakes.readings import facts, index, thread_id

TEAM = Scope(kind="team", key="shop")
BLOG = Scope(kind="cwd", key="/home/ann/blog")


@pytest.fixture
def two_jobs(state: MemoryState) -> MemoryState:
    """One thread that is remembered in its folder's scope and in a team's."""
    index(state, facts(1))
    for number, scope in enumerate((SHOP, TEAM)):
        claimed_of(state, f"first-{number}", scope=scope)
        finish(state, f"first-{number}", draft("tabs"))
    return state


def jobs(state: MemoryState) -> list[tuple[str, str, str]]:
    """Scope and status of every job."""
    return state.rows("SELECT scope_kind, scope_key, status FROM extraction_jobs ORDER BY 1, 2")


def memories(state: MemoryState) -> list[tuple[str, str]]:
    """The scope of every memory."""
    return state.rows("SELECT scope_kind, scope_key FROM memories ORDER BY 1, 2")


def test_new_content_opens_every_job_of_the_thread(two_jobs: MemoryState) -> None:
    index(two_jobs, facts(1, content_digest="digest-2", content_at_ms=facts(1).content_at_ms), size_bytes=200)

    assert jobs(two_jobs) == [("cwd", SHOP.key, "pending"), ("team", TEAM.key, "pending")]


def test_new_content_opens_a_dead_job_of_any_scope(two_jobs: MemoryState) -> None:
    index(two_jobs, facts(1, content_digest="digest-2"), size_bytes=200)
    claimed_of(two_jobs, "one", scope=TEAM)
    fail(two_jobs, "one", FailureClass.PERMANENT)
    index(two_jobs, facts(1, content_digest="digest-3"), size_bytes=300)

    assert jobs(two_jobs)[1] == ("team", TEAM.key, "pending")


def test_later_content_orders_the_jobs_of_every_scope(two_jobs: MemoryState) -> None:
    index(two_jobs, facts(1, content_digest="digest-2", content_at_ms=1_789_000_000_777), size_bytes=200)

    assert two_jobs.rows("SELECT DISTINCT content_at_ms FROM extraction_jobs") == [(1_789_000_000_777,)]


def test_thread_that_moves_takes_only_its_own_job_along(two_jobs: MemoryState) -> None:
    index(two_jobs, facts(1, cwd=BLOG.key), size_bytes=200)

    assert jobs(two_jobs) == [("cwd", BLOG.key, "pending"), ("team", TEAM.key, "succeeded")]
    assert memories(two_jobs) == [("team", TEAM.key)]


def test_job_that_somebody_made_in_another_folder_is_not_taken_for_the_threads_own(two_jobs: MemoryState) -> None:
    claimed_of(two_jobs, "blog", scope=BLOG)
    finish(two_jobs, "blog", draft("for the blog"))
    index(two_jobs, facts(1), size_bytes=200)

    assert memories(two_jobs) == [("cwd", BLOG.key), ("cwd", SHOP.key), ("team", TEAM.key)]


def test_thread_that_moves_to_where_it_has_a_job_keeps_that_one(two_jobs: MemoryState) -> None:
    claimed_of(two_jobs, "blog", scope=BLOG)
    claimed_of(two_jobs, "shop", scope=Scope(kind="cwd", key="/elsewhere"))
    marks = dict(two_jobs.rows("SELECT scope_key, inputs_mark FROM scopes WHERE scope_kind = 'cwd'"))
    index(two_jobs, facts(1, cwd=BLOG.key), size_bytes=200)

    assert jobs(two_jobs) == [
        ("cwd", "/elsewhere", "running"),
        ("cwd", BLOG.key, "running"),
        ("team", TEAM.key, "succeeded"),
    ]
    assert memories(two_jobs) == [("team", TEAM.key)]
    assert two_jobs.value("SELECT inputs_mark FROM scopes WHERE scope_key = ?", SHOP.key) == marks[SHOP.key] + 1
    finish(two_jobs, "blog", draft("for the blog"))
    assert memories(two_jobs) == [("cwd", BLOG.key), ("team", TEAM.key)]


def test_memory_that_was_saved_without_a_job_stays_behind_with_nobody(state: MemoryState) -> None:
    index(state, facts(1, preview="", content_at_ms=None))
    saved(state, "tabs")
    index(state, facts(1, preview="", content_at_ms=None, cwd=BLOG.key), size_bytes=200)

    assert memories(state) == []


def test_thread_whose_words_are_copies_is_remembered_in_no_scope(two_jobs: MemoryState) -> None:
    claimed_of(two_jobs, "blog", scope=BLOG)
    copied = facts(1, content_at_ms=None, content_lines=0, content_digest="", is_all_copied=True)
    index(two_jobs, copied, size_bytes=200)

    assert memories(two_jobs) == []
    assert {status for *_, status in jobs(two_jobs)} == {"empty"}
    assert finish(two_jobs, "blog", draft()) == NotOwner()
    assert two_jobs.rows("SELECT DISTINCT thread_id FROM extraction_jobs") == [(thread_id(1),)]
