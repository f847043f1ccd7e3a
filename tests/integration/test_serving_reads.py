"""Programs list and read stored threads through a real `memoryd serve`, whatever happens to the files meanwhile."""

import sqlite3
from contextlib import closing
from pathlib import Path

from tests.fakes.codex_home import CodexHome
from tests.fakes.command import Memoryd
from tests.fakes.listed_threads import ATLAS, CLI, NEWER, NOWHERE, OTHER_PROVIDER, TURN, make_threads
from tests.fakes.serve_process import serving


def made(tmp_path: Path) -> tuple[CodexHome, Memoryd]:
    home = make_threads(tmp_path / "codex")
    return home, Memoryd(codex_home=home.path, state_dir=tmp_path / "state")


def test_home_that_nobody_has_indexed_is_listed_whole_by_the_first_question(tmp_path: Path) -> None:
    home, memoryd = made(tmp_path)
    with serving(memoryd) as served:
        answer = served.ask("thread/list", modelProviders=[])
        assert [thread["id"] for thread in answer["data"]] == [ATLAS, NEWER, OTHER_PROVIDER, CLI]
        assert answer["nextCursor"] is None
        home.session(thread_id=NOWHERE, hours_ago=0.5).user("brand new")
        answer = served.ask("thread/list", limit=1)
        assert [thread["preview"] for thread in answer["data"]] == ["brand new"]
        rest = served.ask("thread/list", cursor=answer["nextCursor"])
        assert [thread["id"] for thread in rest["data"]] == [ATLAS, NEWER, CLI]


def test_threads_are_read_while_their_files_move(tmp_path: Path) -> None:
    home, memoryd = made(tmp_path)
    before = home.digest()
    with serving(memoryd) as served:
        thread = served.ask("thread/read", threadId=NEWER, includeTurns=True)["thread"]
        assert [turn["id"] for turn in thread["turns"]] == [TURN]
        (turn,) = served.ask("thread/turns/list", threadId=NEWER)["data"]
        assert [item["id"] for item in turn["items"]] == ["u", "a"]
        assert len(served.ask("thread/items/list", threadId=NEWER)["data"]) == 3
        assert home.digest() == before

        path = Path(served.ask("thread/read", threadId=CLI)["thread"]["path"])
        moved = home.path / "archived_sessions" / path.name
        path.rename(moved)
        assert served.ask("thread/read", threadId=CLI)["thread"]["path"] == str(moved)
        archived = served.ask("thread/list", archived=True)["data"]
        assert str(moved) in {thread["path"] for thread in archived}
        assert served.ask("thread/read", threadId=NOWHERE)["error"]["message"] == f"thread not loaded: {NOWHERE}"


def test_threads_are_answered_from_their_files_where_the_store_cannot_be_opened(tmp_path: Path) -> None:
    _, memoryd = made(tmp_path)
    memoryd.once("--only", "backfill")
    with closing(sqlite3.connect(memoryd.state_dir / "state.sqlite")) as database:
        database.execute("PRAGMA user_version = 99")  # a later memoryd's
    with serving(memoryd) as served:
        answer = served.ask("thread/list", modelProviders=[])
        assert [thread["id"] for thread in answer["data"]] == [ATLAS, NEWER, OTHER_PROVIDER, CLI]
        assert served.ask("thread/read", threadId=NEWER, includeTurns=True)["thread"]["turns"][0]["id"] == TURN
        refused = served.ask("thread/metadata/update", threadId=CLI, gitInfo={"branch": "main"})
        assert refused["error"]["message"] == f"sqlite state db unavailable for thread {CLI}"
        started = served.ask("thread/start")["thread"]["id"]
        assert "turn" in served.ask("turn/start", threadId=started, input=[{"type": "text", "text": "say something"}])
