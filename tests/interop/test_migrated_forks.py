"""Forks that today's binary has migrated to the paginated format are still known for the copies that they begin with.

`codex migrate-rollouts` rewrites the legacy rollouts of a home. Of a fork's two session_meta lines it leaves one, and
gives what was copied the fork's own id; only the ids of the copied turns still tell how old they are.
"""

import shutil
import subprocess

import attrs
import pytest

from state.rollouts import Conversation, EventKind, FoundRollout, find_rollouts, read_conversation, read_rollout
from tests.interop.genuine_home import GenuineHome
from tests.interop.processes import PROCESS_SECONDS_MAX
from tests.interop.varieties import Variety

pytestmark = pytest.mark.interop


@pytest.fixture(scope="module")
def migrated(codex_home: GenuineHome, tmp_path_factory: pytest.TempPathFactory) -> GenuineHome:
    """A copy of the genuine home, migrated by the real binary."""
    root = tmp_path_factory.mktemp("migrated")
    copy = GenuineHome(codex=attrs.evolve(codex_home.codex, home=root / "codex-home"), threads=codex_home.threads)
    shutil.copytree(codex_home.path, copy.path)
    with copy.codex.app_server(copy.codex.person) as server:
        server.initialize()
    command = [str(copy.codex.binary), "migrate-rollouts", "--apply"]
    subprocess.run(
        command, cwd=root, env=copy.codex.environment, check=True, capture_output=True, timeout=PROCESS_SECONDS_MAX
    )
    return copy


def _found(home: GenuineHome, variety: Variety) -> FoundRollout:
    (found,) = (file for file in find_rollouts(home.path)[0] if file.path.endswith(f"{home.threads[variety]}.jsonl"))
    return found


def _talk(home: GenuineHome, variety: Variety) -> Conversation:
    return read_conversation(home.path, _found(home, variety).path, home.threads[variety], redact=str)


def _said(talk: Conversation) -> list[tuple[EventKind, str]]:
    return [(event.kind, event.text) for event in talk.events if event.kind in (EventKind.USER, EventKind.ASSISTANT)]


@pytest.mark.parametrize("variety", [Variety.LEGACY, Variety.LEGACY_FORKED_TURN])
def test_rollout_was_migrated(variety: Variety, migrated: GenuineHome) -> None:
    """Otherwise the laws below would be about nothing."""
    (path,) = migrated.path.glob(f"sessions/**/rollout-*-{migrated.threads[variety]}.jsonl")
    text = path.read_text(encoding="utf-8")

    assert text.count('"type":"session_meta"') == 1
    assert '"ordinal":1' in text


@pytest.mark.parametrize(
    "variety", [Variety.LEGACY, Variety.LEGACY_FORKED, Variety.LEGACY_FORKED_TURN, Variety.LEGACY_FORKED_TWICE]
)
def test_migrated_thread_says_what_it_said_before(
    variety: Variety, codex_home: GenuineHome, migrated: GenuineHome
) -> None:
    assert _said(_talk(migrated, variety)) == _said(_talk(codex_home, variety))


def test_migrated_fork_that_adds_nothing_has_no_content(migrated: GenuineHome) -> None:
    facts = read_rollout(migrated.path, _found(migrated, Variety.LEGACY_FORKED), None, redact=str).facts

    assert facts is not None
    assert (facts.content_lines, facts.content_at_ms, facts.is_all_copied) == (0, None, True)
