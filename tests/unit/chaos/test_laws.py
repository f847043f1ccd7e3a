"""Each law: what it lets pass, and what it does not."""

from pathlib import Path

import attrs
import pytest

from chaos import laws
from chaos.laws import LAWS, Law, judge
from chaos.rows import Job, Lease, Memory, Rows, ScopeState
from chaos.step import Granted, Ledger, Step

FREE = Lease(None, None, None, 3, None, None, None)
HELD = Lease("ann", "slot", "token-a", 4, "boot", 61_000, 1_000)
JOB = Job("pending", 0, 0, None, None, None, None)
KEY = ("extraction", "thread")


def rows(lease: Lease = FREE, job: Job = JOB, **more: object) -> Rows:
    """One job, and whatever else is said."""
    empty = Rows(
        leases={KEY: lease},
        jobs={"thread": job},
        scopes={},
        memories={},
        revisions={"thread": 1},
        files={},
        processes=frozenset({"ann", "bob"}),
    )
    return attrs.evolve(empty, **more)  # type: ignore[arg-type]


def step(before: Rows, after: Rows, actor: str = "bob", *, now_ms: int = 10_000, ledger: Ledger | None = None) -> Step:
    """What came between two moments; ann and bob live."""
    return Step(
        before=before,
        after=after,
        actor=actor,
        living=frozenset({"ann", "bob"}),
        boot_ms=now_ms,
        boot_id="boot",
        memories_dir=Path("/nowhere"),
        ledger=ledger or Ledger(granted={KEY: Granted(token="token-a", boot_id="boot", until_boot_ms=61_000)}),
    )


def broken(law: Law, one: Step) -> bool:
    """Say whether the law finds something."""
    return bool(list(law(one)))


RUNNING = JOB._replace(status="running", attempts=1, claimed_revision=1)
STOLEN = HELD._replace(process="bob", token="token-b", fencing_number=5)


def test_fencing_number_that_goes_back_is_seen() -> None:
    assert broken(laws.fencing_numbers_only_grow, step(rows(HELD), rows(FREE)))


def test_second_token_of_one_fencing_number_is_seen() -> None:
    twice = STOLEN._replace(fencing_number=4)

    assert broken(laws.fencing_numbers_only_grow, step(rows(HELD), rows(twice)))
    assert not broken(laws.fencing_numbers_only_grow, step(rows(HELD), rows(STOLEN)))


def test_token_that_comes_back_is_seen() -> None:
    assert broken(laws.a_token_is_granted_once, step(rows(FREE), rows(HELD), ledger=Ledger(gone={"token-a"})))


def test_robbery_of_a_living_owner_is_seen_and_a_steal_after_the_end_is_none() -> None:
    assert broken(laws.nobody_is_robbed, step(rows(HELD), rows(STOLEN), now_ms=60_999))
    assert not broken(laws.nobody_is_robbed, step(rows(HELD), rows(STOLEN), now_ms=61_000))


def test_leases_of_the_dead_and_of_another_boot_are_nobodys() -> None:
    robbery = step(rows(HELD), rows(STOLEN))

    assert not broken(laws.nobody_is_robbed, attrs.evolve(robbery, living=frozenset({"bob"})))
    assert not broken(laws.nobody_is_robbed, attrs.evolve(robbery, boot_id="another"))


def test_owner_may_give_its_row_up() -> None:
    freed = FREE._replace(fencing_number=4)

    assert not broken(laws.nobody_is_robbed, step(rows(HELD), rows(freed), "ann"))
    assert broken(laws.nobody_is_robbed, step(rows(HELD), rows(freed), "bob"))


def test_renewal_by_somebody_else_is_seen() -> None:
    renewed = HELD._replace(until_boot_ms=70_000, renewed_boot_ms=10_000)

    assert broken(laws.only_the_owner_renews, step(rows(HELD), rows(renewed), "bob"))
    assert not broken(laws.only_the_owner_renews, step(rows(HELD), rows(renewed), "ann"))


@pytest.mark.parametrize("back", ["inputs_mark", "consolidated_mark", "generation"])
def test_mark_that_goes_back_is_seen(back: str) -> None:
    scope = ScopeState(5, 5, None, 5, None, 0, None)
    now = {"cwd:/shop": scope._replace(**{back: 4})}  # type: ignore[arg-type]

    assert broken(laws.marks_and_revisions_only_grow, step(rows(scopes={"cwd:/shop": scope}), rows(scopes=now)))


def test_memory_that_goes_or_changes_within_its_time_is_seen() -> None:
    kept = {("thread", "/shop"): Memory(7, "tabs")}

    assert broken(laws.memories_are_kept, step(rows(memories=kept), rows(memories={})))
    changed = {("thread", "/shop"): Memory(7, "spaces")}
    assert broken(laws.memories_are_kept, step(rows(memories=kept), rows(memories=changed)))
    later = {("thread", "/shop"): Memory(8, "spaces")}
    assert not broken(laws.memories_are_kept, step(rows(memories=kept), rows(memories=later)))


def test_attempts_that_shrink_by_themselves_are_seen() -> None:
    tried = RUNNING._replace(attempts=3)
    again = RUNNING._replace(attempts=1)

    assert broken(laws.attempts_shrink_only_by_new_content, step(rows(HELD, tried), rows(HELD, again)))
    grown = rows(HELD, again, revisions={"thread": 2})
    assert not broken(laws.attempts_shrink_only_by_new_content, step(rows(HELD, tried), grown))


def test_job_that_runs_without_an_owner_is_seen() -> None:
    assert broken(laws.a_job_is_in_one_state, step(rows(FREE, JOB), rows(FREE, RUNNING)))
    assert not broken(laws.a_job_is_in_one_state, step(rows(FREE, JOB), rows(HELD, RUNNING)))


def test_job_that_waits_for_ever_or_does_not_say_why_is_seen() -> None:
    for job in (JOB._replace(status="dead"), JOB._replace(status="retry", reason="the model was away")):
        assert broken(laws.a_job_is_in_one_state, step(rows(FREE, JOB), rows(FREE, job)))


def test_claim_that_was_told_and_is_not_there_is_seen() -> None:
    told = Ledger(fencing_floor={KEY: 4})

    assert broken(laws.what_was_acknowledged_is_there, step(rows(FREE), rows(FREE), ledger=told))
    assert not broken(laws.what_was_acknowledged_is_there, step(rows(FREE), rows(HELD), ledger=told))


def test_generation_that_is_not_its_owners_or_not_whole_is_seen(tmp_path: Path) -> None:
    owner = HELD._replace(fencing_number=4)
    before = rows(
        leases={("consolidation", "cwd:/shop"): owner}, scopes={"cwd:/shop": ScopeState(1, 0, 1, 0, None, 0, None)}
    )

    def published(folder: str) -> Step:
        scopes = {"cwd:/shop": ScopeState(1, 1, None, 1, folder, 0, None)}
        after = attrs.evolve(before, leases={("consolidation", "cwd:/shop"): FREE}, scopes=scopes)
        return attrs.evolve(step(before, after, "ann"), memories_dir=tmp_path)

    own = "generations/shop/00000004-token-a"
    assert broken(laws.a_generation_is_its_owners, published(own)), "nothing is on the disk"
    (tmp_path / own).mkdir(parents=True)
    for name in ("MEMORY.md", "memory_summary.md"):
        (tmp_path / own / name).touch()
    assert not broken(laws.a_generation_is_its_owners, published(own))
    assert broken(laws.a_generation_is_its_owners, published("generations/shop/00000003-token-z"))
    assert broken(laws.a_generation_is_its_owners, attrs.evolve(published(own), actor="bob"))


def test_link_that_names_what_no_row_named_is_seen(tmp_path: Path) -> None:
    scopes = {"home:": ScopeState(1, 1, None, 1, "generations/home/1", 0, None)}
    for number in ("1", "2"):
        folder = tmp_path / "generations/home" / number
        folder.mkdir(parents=True)
        for name in ("MEMORY.md", "memory_summary.md"):
            (folder / name).touch()
    one = attrs.evolve(step(rows(scopes=scopes), rows(scopes=scopes)), memories_dir=tmp_path)

    (tmp_path / "current").symlink_to("generations/home/1")
    assert not broken(laws.links_follow_the_rows, one)
    (tmp_path / "current").unlink()
    (tmp_path / "current").symlink_to("generations/home/2")
    assert broken(laws.links_follow_the_rows, one)


def test_link_that_goes_back_is_seen(tmp_path: Path) -> None:
    scopes = {"home:": ScopeState(1, 1, None, 2, "generations/home/2", 0, None)}
    ledger = Ledger(named={"home:": ["generations/home/1", "generations/home/2"]}, linked={"home:": 1})
    (tmp_path / "current").symlink_to("generations/home/1")
    one = attrs.evolve(step(rows(scopes=scopes), rows(scopes=scopes), ledger=ledger), memories_dir=tmp_path)

    assert any("went back" in found for found in laws.links_follow_the_rows(one))


def test_links_are_judged_anew_when_a_name_or_a_scope_changed(tmp_path: Path) -> None:
    scope = ScopeState(5, 5, 5, 1, "generations/home/00000001-t", 0, None)
    after = rows(scopes={"home:": scope})
    ledger = Ledger(named={"home:": ["generations/home/00000001-t"]})

    def at(name_changes: int | None, after: Rows = after) -> Step:
        return attrs.evolve(step(after, after, ledger=ledger), memories_dir=tmp_path, name_changes=name_changes)

    assert not broken(laws.links_follow_the_rows, at(7))
    (tmp_path / "current").symlink_to("generations/home/never-named")

    assert not broken(laws.links_follow_the_rows, at(7)), "it trusts who counts"
    assert broken(laws.links_follow_the_rows, at(8))
    assert broken(laws.links_follow_the_rows, at(8)), "what was wrong stays wrong"
    assert broken(laws.links_follow_the_rows, at(7, attrs.evolve(after, scopes=dict(after.scopes))))
    assert broken(laws.links_follow_the_rows, at(None))


def test_judge_names_the_first_law_that_does_not_hold_and_none_for_nothing() -> None:
    assert judge(step(rows(), rows()), LAWS, at_ms=5) is None
    found = judge(step(rows(HELD), rows(FREE)), LAWS, at_ms=5)

    assert found is not None
    assert found.law == "fencing_numbers_only_grow"
    assert str(found).startswith("fencing_numbers_only_grow: extraction thread")


def test_every_law_says_in_a_sentence_what_it_demands() -> None:
    for law in LAWS:
        assert (law.__doc__ or "").rstrip().endswith(".")
