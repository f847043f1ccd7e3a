"""The sample home is one that the real binary reads without a doubt, so that it shows what a real one would."""

import time
from contextlib import closing
from pathlib import Path
from sqlite3 import connect

import pytest

from examples.sample_home import write_sample_home
from examples.sample_sessions import sample_sessions
from tests.interop.codex import Codex, state_database

pytestmark = pytest.mark.interop


def test_real_binary_indexes_every_sample_session(codex_program: Path, tmp_path: Path) -> None:
    sample = write_sample_home(tmp_path / "codex-home", now_ms=time.time_ns() // 1_000_000)
    person = tmp_path / "person"
    person.mkdir()
    codex = Codex(binary=codex_program, home=tmp_path / "codex-home", person=person)
    codex.configure("http://127.0.0.1:9/v1")  # nothing listens there; a backfill asks no model
    with codex.app_server(person) as server:
        server.initialize()
    with closing(connect(state_database(codex.home))) as database:
        rows = database.execute("SELECT id, title, history_mode, archived, tokens_used > 0 FROM threads").fetchall()

    assert {row[0]: row[1:] for row in rows} == {
        sample.thread_ids[session.key]: (session.turns[0].prompt, session.format.value, session.archived, True)
        for session in sample_sessions(sample.secrets)
    }
