"""`memoryd once` as a person runs it: what it does, and what it does not do again."""

import json
from pathlib import Path

from tests.fakes.codex_home import CodexHome
from tests.fakes.command import Memoryd


def _memory_of(answer: dict[str, object], project: str) -> str:
    scopes = Path(str(answer["memories_dir"])) / "scopes"
    (folder,) = (path for path in scopes.iterdir() if path.name.startswith(f"{project}-"))
    return (folder / "MEMORY.md").read_text(encoding="utf-8")


def _talk(home: CodexHome, text: str, **session: str) -> None:
    rollout = home.session(**session)  # type: ignore[arg-type]
    rollout.user(text)
    rollout.assistant("Done.")
    rollout.completed()


WISH = "Please add a login page to the shop. Always use pnpm instead of npm in this project."


def test_a_wish_is_published_with_its_thread(home: CodexHome, memoryd: Memoryd) -> None:
    rollout = home.session()
    rollout.user(WISH)
    answer = memoryd.once()

    assert answer["backfill"]["indexed"] == 1
    assert answer["extraction"] == {
        "claimed": 1, "succeeded": 1, "empty": 0, "unchanged": 0, "retrying": 0, "failed": 0,
        "tokens": {"input_tokens": 0, "cached_input_tokens": 0, "output_tokens": 0, "model_calls": 0},
        "stopped_because": None, "stopped_hint": "",
    }  # fmt: skip
    assert answer["consolidation"] == {"scopes": 1, "published": 1, "unchanged": 0, "failed": 0}
    memory = _memory_of(answer, "shop")
    assert "pnpm" in memory
    assert f"[{rollout.thread_id}:2]" in memory
    summary = (Path(answer["memories_dir"]) / "memory_summary.md").read_text(encoding="utf-8")
    assert summary.startswith("v1\n")
    assert "pnpm" in summary


def test_the_second_run_does_nothing_and_says_so(home: CodexHome, memoryd: Memoryd) -> None:
    _talk(home, WISH)
    memoryd.once()
    answer = memoryd.once()

    assert answer["backfill"].items() >= {"files": 1, "indexed": 0, "unchanged": 1, "bytes": 0}.items()
    assert answer["extraction"].items() >= {"claimed": 0, "unchanged": 1}.items()
    assert answer["consolidation"] == {"scopes": 1, "published": 0, "unchanged": 1, "failed": 0}


def test_an_appended_wish_costs_only_its_bytes_its_job_and_its_project(home: CodexHome, memoryd: Memoryd) -> None:
    _talk(home, WISH, cwd="/home/ann/other")
    rollout = home.session()
    rollout.user(WISH)
    memoryd.once()
    appended = rollout.user("Actually, always use bun instead of pnpm in this project.")
    answer = memoryd.once()

    assert answer["backfill"].items() >= {"indexed": 1, "unchanged": 1, "bytes": appended}.items()
    assert answer["extraction"]["claimed"] == 1
    assert answer["consolidation"] == {"scopes": 2, "published": 1, "unchanged": 1, "failed": 0}
    assert "bun" in _memory_of(answer, "shop")


def test_an_append_without_meaning_is_indexed_and_changes_nothing_else(home: CodexHome, memoryd: Memoryd) -> None:
    rollout = home.session()
    rollout.user(WISH)
    memoryd.once()
    rollout.tokens(4711)
    answer = memoryd.once()

    assert answer["backfill"]["indexed"] == 1
    assert answer["extraction"].items() >= {"claimed": 0, "unchanged": 1}.items()
    assert answer["consolidation"].items() >= {"published": 0, "unchanged": 1}.items()
    assert memoryd("threads", "show", rollout.thread_id, "--json").json["tokens_used"] == 4711


def test_a_later_wish_replaces_an_earlier_one_of_another_session(home: CodexHome, memoryd: Memoryd) -> None:
    _talk(home, "Add a header to the start page. Always use tabs for indentation.", hours_ago=72)  # type: ignore[arg-type]
    _talk(home, "Add a footer to the start page. Always use spaces for indentation.", hours_ago=24)  # type: ignore[arg-type]
    memory = _memory_of(memoryd.once(), "shop")

    assert "spaces" in memory.partition("## Tasks")[0]
    assert "tabs" not in memory.partition("## Tasks")[0]


def test_nothing_is_written_into_the_codex_home(home: CodexHome, memoryd: Memoryd) -> None:
    _talk(home, WISH)
    before = home.digest()
    memoryd.once()

    assert home.digest() == before


def test_the_same_home_gives_the_same_bytes(home: CodexHome, memoryd: Memoryd, tmp_path: Path) -> None:
    for text in (WISH, "Never touch the file legacy.py, it is generated."):
        _talk(home, text)
    answers = [memoryd.once(), Memoryd(codex_home=home.path, state_dir=tmp_path / "second").once()]
    trees = []
    for answer in answers:
        root = Path(answer["memories_dir"])
        trees.append(
            {
                str(path.relative_to(root / "scopes")): path.read_text()
                for path in sorted((root / "scopes").glob("*/**/*"))
                if path.is_file()
            }
        )

    assert trees[0] == trees[1] != {}


def test_a_name_is_restored_from_the_session_index(home: CodexHome, memoryd: Memoryd) -> None:
    rollout = home.session()
    rollout.user(WISH)
    home.name_thread(rollout.thread_id, "Shop login")
    memoryd.once()

    assert memoryd("threads", "show", rollout.thread_id[:8], "--json").json["name"] == "Shop login"


def test_an_archived_session_moves_with_its_file(home: CodexHome, memoryd: Memoryd) -> None:
    rollout = home.session()
    rollout.user(WISH)
    memoryd.once()
    archive = home.path / "archived_sessions"
    archive.mkdir()
    rollout.path.rename(archive / rollout.path.name)
    memoryd.once()

    assert memoryd("threads", "list", "--json").json["threads"] == []
    (thread,) = memoryd("threads", "list", "--archived", "--json").json["threads"]
    assert thread["id"] == rollout.thread_id
    assert thread["archived"] is True
    assert thread["rollout_path"] == str(archive / rollout.path.name)


def test_a_session_that_is_not_idle_waits_and_status_says_why(home: CodexHome, memoryd: Memoryd) -> None:
    home.session(hours_ago=1).user(WISH)
    ended = memoryd("once", "--json")

    assert ended.json["extraction"]["claimed"] == 0
    assert memoryd("status", "--json").json["extraction"]["waiting_by_reason"] == {"not idle long enough": 1}


def test_a_source_that_is_not_chosen_waits_and_status_says_why(home: CodexHome, memoryd: Memoryd) -> None:
    home.session(source="exec").user(WISH)
    ended = memoryd("once", "--json")

    assert ended.json["extraction"]["claimed"] == 0
    reasons = memoryd("status", "--json").json["extraction"]["waiting_by_reason"]
    assert reasons == {"source exec is not chosen": 1}


def test_a_thread_that_does_not_want_to_be_remembered_is_not(home: CodexHome, memoryd: Memoryd) -> None:
    home.session(memory_mode="disabled").user(WISH)

    assert memoryd.once()["extraction"]["claimed"] == 0


def test_only_backfill_extracts_nothing(home: CodexHome, memoryd: Memoryd) -> None:
    _talk(home, WISH)
    answer = memoryd.once("--only", "backfill")

    assert answer["backfill"]["indexed"] == 1
    assert answer["extraction"]["claimed"] == 0


def test_an_empty_home_and_a_missing_home_are_fine(home: CodexHome, memoryd: Memoryd, tmp_path: Path) -> None:
    assert memoryd.once()["backfill"]["files"] == 0
    missing = Memoryd(codex_home=tmp_path / "nowhere", state_dir=tmp_path / "state2")

    assert missing.once()["backfill"]["files"] == 0
    assert not (tmp_path / "nowhere").exists()


def test_removed_memories_are_written_again(home: CodexHome, memoryd: Memoryd) -> None:
    import shutil

    _talk(home, WISH)
    answer = memoryd.once()
    shutil.rmtree(answer["memories_dir"])
    answer = memoryd.once()

    assert answer["consolidation"]["published"] == 1
    assert "pnpm" in _memory_of(answer, "shop")


def test_a_secret_never_reaches_the_state_folder(home: CodexHome, memoryd: Memoryd) -> None:
    secret = "gh" + "p_" + "a1B2c3D4" * 5
    rollout = home.session()
    rollout.user(f"Always push with the token {secret} in this project.")
    rollout.command(f"git push https://ann:{secret}@example.com/shop.git", exit_code=1, output=f"fatal: {secret}")
    rollout.command("git push", exit_code=0, output="ok")
    memoryd.once()
    memoryd("threads", "list", "--json")

    for path in memoryd.state_dir.rglob("*"):
        if path.is_file():
            assert secret.encode() not in path.read_bytes(), path


def test_published_files_are_for_their_user_alone(home: CodexHome, memoryd: Memoryd) -> None:
    _talk(home, WISH)
    memoryd.once()

    assert memoryd.state_dir.stat().st_mode & 0o777 == 0o700
    for path in memoryd.state_dir.rglob("*"):
        if not path.is_symlink():
            assert path.stat().st_mode & 0o077 == 0, path


def test_json_output_is_one_document(home: CodexHome, memoryd: Memoryd) -> None:
    _talk(home, WISH)
    memoryd.once()
    for command in (["status"], ["paths"], ["threads", "list"], ["memories", "list"], ["jobs", "list"]):
        ended = memoryd(*command, "--json")

        assert ended.code == 0, ended.stderr
        assert isinstance(json.loads(ended.stdout), dict)


def test_memory_that_is_too_old_leaves_the_files_and_then_the_store(home: CodexHome, memoryd: Memoryd) -> None:
    rollout = home.session()
    rollout.user(WISH)
    memoryd.once()
    too_old = ("--set", "consolidation.max_unused_days=1")

    answer = memoryd.once(*too_old)
    assert answer["consolidation"]["published"] == 1
    assert "pnpm" not in _memory_of(answer, "shop")
    assert len(memoryd.ask("memories", "list")["memories"]) == 1, "it was in files until now"

    answer = memoryd.once(*too_old)
    assert answer["extraction"]["claimed"] == 0
    assert answer["consolidation"].items() >= {"published": 0, "unchanged": 1}.items()
    assert memoryd.ask("memories", "list")["memories"] == []
