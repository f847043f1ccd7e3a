"""A pass that is killed at any of its changes leaves whole files that are known to be ours; the next one ends it."""

from pathlib import Path

import pytest

from tests.fakes.dying_os import Killed, die_after
from tests.fakes.published_home import PublishedHome
from workers.publishing.one_pass import Current

MODULES = ("workers.publishing.home_files", "workers.publishing.manifest", "workers.publishing.apply")
CHANGES_MAX = 200


@pytest.fixture
def before(tmp_path: Path) -> PublishedHome:
    """A home in which a person and Codex have files of their own."""
    home = PublishedHome.below(tmp_path)
    (home.home / "config.toml").write_text("[features]\nmemories = true\n", encoding="utf-8")
    (home.home / "memories" / "rollout_summaries").mkdir(parents=True)
    (home.home / "memories" / "raw_memories.md").write_text("# Raw Memories\n", encoding="utf-8")
    (home.home / "memories" / "rollout_summaries" / "a.md").write_text("Codex's\n", encoding="utf-8")
    return home


def first(home: PublishedHome) -> Current:
    return home.generate("one", shop={"a": "1", "b": "2"}, mill={"c": "3"})


def second(home: PublishedHome) -> Current:
    """Something changed, something new, something gone, something the same."""
    return home.generate("two", shop={"a": "1", "b": "changed"}, farm={"d": "4"})


@pytest.mark.parametrize("then", ["publish", "undo"])
@pytest.mark.parametrize("pass_", ["first", "second", "undo"])
def test_killed_at_any_change_it_converges(
    before: PublishedHome, tmp_path: Path, pass_: str, then: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    untouched = before.tree()
    one, two = first(before), second(before)
    contents = {path.read_bytes() for path in before.folder.memories_dir.rglob("*") if path.is_file()}
    before.publish(two)
    final = before.tree()
    before.undo()
    assert before.tree() == untouched
    for lives in range(1, CHANGES_MAX):
        if pass_ != "first":
            before.publish(one)
        with monkeypatch.context() as dying:
            die_after(dying, lives, *MODULES)
            try:
                before.undo() if pass_ == "undo" else before.publish(two)
                was_killed = False
            except Killed:
                was_killed = True
        for path, (_, data) in before.tree().items():
            if path not in untouched and not path.endswith(".tmp"):
                assert not data or data in contents, f"half of {path} after {lives} changes"
        if then == "publish":
            outcome = before.publish(two)
            assert outcome.kept == ()
            assert before.tree() == final, lives
        outcome = before.undo()
        assert outcome.kept == ()
        assert before.tree() == untouched, lives
        if not was_killed:
            assert lives > 10
            return
    pytest.fail("a pass has no end")
