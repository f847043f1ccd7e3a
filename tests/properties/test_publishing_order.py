"""What arrives during a consolidation is not lost, and a late owner never moves the link, in every order of steps."""

import os
import tempfile
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from state.messages.consolidation import ConsolidationClaimed, PointCurrent
from state.messages.leases import NotOwner
from state.rules.scopes import scope_folder
from tests.fakes.consolidation import SHOP, claim, leave_unchanged, publish, remember
from tests.fakes.memory_state import MemoryState

LEASE_MS = 60_000


@given(st.lists(st.tuples(st.integers(0, 2), st.booleans()), min_size=1, max_size=8))
def test_scope_is_dirty_after_a_consolidation_exactly_if_something_arrived_during_it(
    rounds: list[tuple[int, bool]],
) -> None:
    """Each round: how many memories arrive during the work, and whether new files come of it."""
    with tempfile.TemporaryDirectory() as folder:
        state = MemoryState(Path(folder))
        remember(state, 1)
        for number, (arriving, staged) in enumerate(rounds):
            assert _claims_shop(state, f"token-{number}")
            for one in range(arriving):
                remember(state, 1, text=f"wish {number} {one}")

            publish(state, f"token-{number}") if staged else leave_unchanged(state, f"token-{number}")

            assert state.value("SELECT inputs_mark > consolidated_mark FROM scopes WHERE scope_key = ?", SHOP.key) == (
                arriving > 0
            )
            if not arriving:
                remember(state, 1, text=f"wish after {number}")
        state.close()


@given(st.lists(st.sampled_from(["robbed", "late", "point"]), min_size=1, max_size=8))
def test_link_names_what_the_last_owner_published_however_often_the_late_ones_try(steps: list[str]) -> None:
    """robbed: an owner loses the scope to another one, who publishes; late: all robbed ones publish; point: anybody."""
    with tempfile.TemporaryDirectory() as folder:
        state = MemoryState(Path(folder))
        robbed: list[str] = []
        published = linked = ""
        for number, step in enumerate(["robbed", "point", *steps, "late"]):
            match step:
                case "robbed":
                    remember(state, 1, text=f"wish {number}")
                    assert _claims_shop(state, f"late-{number}")
                    state.clock.advance(LEASE_MS)
                    assert _claims_shop(state, f"owner-{number}")
                    publish(state, f"owner-{number}", digest=f"digest {number}")
                    robbed.append(f"late-{number}")
                    published = f"generations/shop/owner-{number}"
                case "late":
                    assert {publish(state, token, digest=token) for token in robbed} == {NotOwner()}
                case _:
                    state.ask(PointCurrent(scope=SHOP))
                    linked = published
            assert _link(Path(folder)) == linked
        state.close()


def _claims_shop(state: MemoryState, token: str) -> bool:
    """Claim a scope; the project comes before the home."""
    reply = claim(state, token, lease_ms=LEASE_MS)
    return isinstance(reply, ConsolidationClaimed) and reply.scope == SHOP


def _link(folder: Path) -> str:
    link = folder / "scopes" / scope_folder(SHOP)
    return os.readlink(link).removeprefix("../") if link.is_symlink() else ""
