"""A session that names no provider has the one that the home's own configuration names."""

from pathlib import Path

import pytest

from config import Settings
from state.folder import StateFolder
from state.rollouts import find_rollouts
from tests.fakes.codex_home import CodexHome
from tests.fakes.stored_threads import stored_threads
from workers.doctor.folds import compare


@pytest.mark.parametrize(("said", "provider"), [('model_provider = "loopback"\n', "loopback"), ("", "openai")])
async def test_provider_of_the_home_stands_in_for_one_that_is_not_named(
    tmp_path: Path, folder: StateFolder, said: str, provider: str
) -> None:
    home = CodexHome(path=tmp_path / "codex")
    home.path.mkdir()
    config = home.path / "config.toml"
    config.write_text(said)
    silent, named = home.session(model_provider=None), home.session(model_provider="azure")
    async with stored_threads(home, folder) as stored:
        rows = [await stored.row(rollout.thread_id) for rollout in (silent, named)]  # type: ignore[arg-type]
        assert [row.model_provider for row in rows if row is not None] == [provider, "azure"]

        config.write_text('model_provider = "another"\n')
        files = find_rollouts(home.path)[0]
        assert await compare(stored.handle, home.path, Settings(), files) == (), "the home's own of that time"
