"""The worker publishes soon after a change, sees what was disturbed, and is patient with what fails."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import trio

from state.store import StateHandle
from tests.fakes.published_home import PublishedHome
from workers import publishing
from workers.publishing import one_pass, worker
from workers.publishing.one_pass import Current


class Rows:
    """What the rows name now; the test changes it."""

    now: Current | None = None


@pytest.fixture
def rows(monkeypatch: pytest.MonkeyPatch) -> Rows:
    """The store's answer, and a worker that looks often."""
    rows = Rows()

    async def current(_handle: Any) -> Current | None:
        await trio.lowlevel.checkpoint()
        return rows.now

    for module in ("worker", "one_pass"):
        monkeypatch.setattr(f"workers.publishing.{module}.current", current)
    monkeypatch.setattr("workers.publishing.worker.POLL_SECONDS", 0.01)
    monkeypatch.setattr("workers.publishing.worker.LOOK_SECONDS", 0.02)
    monkeypatch.setattr("workers.publishing.worker.RETRY_SECONDS_MIN", 0.02)
    return rows


@pytest.fixture
def home(tmp_path: Path, handle: StateHandle) -> PublishedHome:
    """A Codex home for the state folder of the handle."""
    (tmp_path / "codex").mkdir()
    return PublishedHome(home=tmp_path / "codex", folder=handle.folder)


async def until(holds: Callable[[], bool]) -> None:
    with trio.fail_after(10):
        while not holds():  # noqa: ASYNC110 - what is waited for is a file
            await trio.sleep(0.005)


def content(home: PublishedHome) -> str:
    path = home.home / "memories_v2" / "memory_summary.md"
    return path.read_text() if path.exists() else ""


async def test_it_publishes_and_puts_back(
    rows: Rows, home: PublishedHome, handle: StateHandle, nursery: trio.Nursery
) -> None:
    nursery.start_soon(publishing.serve, handle, home.home)
    rows.now = home.generate("one", shop={"a": "1"})
    await until(lambda: "one" in content(home))
    rows.now = home.generate("two", shop={"a": "1"})
    await until(lambda: "two" in content(home))
    (home.home / "memories_v2" / "memory_summary.md").unlink()
    await until(lambda: "two" in content(home))


async def test_a_version_that_changes_is_noticed(
    rows: Rows, home: PublishedHome, handle: StateHandle, nursery: trio.Nursery
) -> None:
    nursery.start_soon(publishing.serve, handle, home.home)
    rows.now = home.generate("one", shop={"a": "1"})
    await until(lambda: "one" in content(home))
    (home.home / "config.toml").write_text('[memories]\nversion = "v1"\n')
    await until(lambda: (home.home / "memories" / "memory_summary.md").exists())
    await until(lambda: not (home.home / "memories_v2").exists())


async def test_idle_it_looks_and_makes_no_pass(
    rows: Rows, home: PublishedHome, handle: StateHandle, nursery: trio.Nursery, monkeypatch: pytest.MonkeyPatch
) -> None:
    events: list[str] = []

    def noted(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any) -> Any:
            events.append(name)
            return function(*arguments)

        return call

    for name, module, function in (("pass", one_pass, "publish_now"), ("look", worker, "_signatures")):
        monkeypatch.setattr(module, function, noted(name, getattr(module, function)))
    rows.now = home.generate("one", shop={"a": "1"})
    nursery.start_soon(publishing.serve, handle, home.home)
    # One look before and one after each pass; more in a row are those of an idle worker.
    await until(lambda: events[-5:] == ["look"] * 5)

    assert "pass" in events


async def test_a_home_that_cannot_be_used_is_tried_again(
    rows: Rows, home: PublishedHome, handle: StateHandle, nursery: trio.Nursery
) -> None:
    rows.now = home.generate("one", shop={"a": "1"})
    home.home.rename(home.home.with_name("away"))
    nursery.start_soon(publishing.serve, handle, home.home)
    await until(lambda: _problem(home) is not None)
    assert "does not exist" in str(_problem(home))
    home.home.with_name("away").rename(home.home)
    await until(lambda: "one" in content(home))
    await until(lambda: _problem(home) is None)


def _problem(home: PublishedHome) -> str | None:
    state = publishing.last_outcome(home.folder, home.home)
    return None if state is None else state.problem


async def test_before_anything_is_consolidated_it_does_nothing(
    rows: Rows, home: PublishedHome, handle: StateHandle, nursery: trio.Nursery, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("workers.publishing.worker.LOOK_SECONDS", math.inf)
    nursery.start_soon(publishing.serve, handle, home.home)
    await trio.sleep(0.1)

    assert home.tree() == {}
    assert not home.folder.publish_dir.exists()


def test_configuration_behind_a_link_is_noticed_when_it_changes(tmp_path: Path) -> None:
    """People keep their dotfiles elsewhere, and Codex follows the link."""
    elsewhere, link = tmp_path / "elsewhere.toml", tmp_path / "config.toml"
    elsewhere.write_text('[memories]\nversion = "v1"\n')
    link.symlink_to(elsewhere)
    before = worker._config_signature(link)
    elsewhere.write_text('[memories]\nversion = "v2" # now\n')

    assert before is not None
    assert worker._config_signature(link) != before
