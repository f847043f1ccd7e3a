"""Bad input costs that input only, stays visible with its reason, and loses nothing."""

import os
import shutil
import subprocess
import uuid
from collections.abc import Callable
from pathlib import Path

import apsw
import attrs
import pytest

from tests.fakes.codex_home import CodexHome
from tests.fakes.command import Memoryd

WISH = "Please add a login page to the shop. Always use pnpm instead of npm in this project."


def _name(thread_id: str | None = None) -> str:
    return f"rollout-2026-01-02T03-04-05-{thread_id or uuid.uuid4()}.jsonl"


def _meta(thread_id: str) -> bytes:
    return (
        b'{"timestamp":"2026-01-02T03:04:05.000Z","type":"session_meta","payload":{"id":"' + thread_id.encode()
        + b'","timestamp":"2026-01-02T03:04:05.000Z","cwd":"/w","originator":"o","cli_version":"1","source":"cli"}}\n'
    )  # fmt: skip


def _user(text: bytes) -> bytes:
    return (
        b'{"timestamp":"2026-01-02T03:04:06.000Z","type":"event_msg","payload":{"type":"user_message","message":"'
        + text + b'"}}\n'
    )  # fmt: skip


def _troubles(memoryd: Memoryd) -> dict[str, tuple[str, str]]:
    files = memoryd("status", "--json").json["troubled_rollouts"]
    return {Path(file["path"]).name: (file["status"], file["reason"]) for file in files}


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "empty session file"),
        (b"\n\n  \n", "empty session file"),
        (b"\x00\x01\xfe\xff" * 5000, "no"),
        (b"this is not JSON\nnor is this\n", "no"),
    ],
    ids=["empty", "blank", "binary", "text"],
)
def test_a_file_without_a_session_is_skipped_with_its_reason(
    home: CodexHome, memoryd: Memoryd, data: bytes, reason: str
) -> None:
    home.session().user(WISH)
    name = _name()
    home.file(name, data)
    answer = memoryd.once()

    assert answer["backfill"].items() >= {"files": 2, "indexed": 1, "skipped": 1, "failed": 0}.items()
    status, said = _troubles(memoryd)[name]
    assert status == "skipped"
    assert reason in said


@pytest.mark.parametrize(
    "damage",
    [
        b"\xff\xfe\xff not utf-8\n",
        b'{"timestamp":"2026-01-02T03:04:05.500Z","type":"event_msg","payload":{"type":"user_mess\n',
        b'{"timestamp":"2026-01-02T03:04:05.500Z","type":"no_such_kind","payload":{}}\n',
        b"[" * 100_000 + b"\n",
        b'{"type":"event_msg","payload":{"type":"token_count","info":{"total_token_usage":{"total_tokens":NaN}}}}\n',
        b'{"type":"event_msg","payload":{"type":"token_count","info":{"total_token_usage":{"total_tokens":1e999}}}}\n',
        b'{"type":"event_msg","payload":null}\n',
        b'{"type":7,"payload":[]}\n',
        b"null\n42\n\"text\"\n[]\n",
        b'{"type":"event_msg","payload":{"type":"agent_message","message":"' + b"z" * 40_000_000 + b'"}}\n',
    ],
    ids=["non-utf8", "cut", "unknown-kind", "deep", "nan", "infinity", "null", "wrong-types", "scalars", "gigantic"],
)  # fmt: skip
def test_a_bad_line_costs_that_line(home: CodexHome, memoryd: Memoryd, damage: bytes) -> None:
    thread_id = str(uuid.uuid4())
    home.file(_name(thread_id), _meta(thread_id) + damage + _user(b"Please repair the billing report for March."))
    answer = memoryd.once()

    assert answer["backfill"].items() >= {"indexed": 1, "skipped": 0, "failed": 0}.items()
    assert answer["extraction"].items() >= {"claimed": 1, "retrying": 0, "failed": 0}.items()
    thread = memoryd("threads", "show", thread_id, "--json").json
    assert thread["title"] == "Please repair the billing report for March."


@pytest.mark.parametrize(
    ("text", "title"),
    [
        (rb"half \ud83d of a pair", "half \ufffd of a pair"),
        (rb"a NUL \u0000 inside", "a NUL \ufffd inside"),
        ("Zażółć 世界 😀 مرحبا".encode(), "Zażółć 世界 😀 مرحبا"),
    ],
    ids=["lone-surrogate", "nul", "unicode"],
)
def test_strange_characters_are_kept_or_replaced(home: CodexHome, memoryd: Memoryd, text: bytes, title: str) -> None:
    thread_id = str(uuid.uuid4())
    home.file(_name(thread_id), _meta(thread_id) + _user(text))
    memoryd.once()

    assert memoryd("threads", "show", thread_id, "--json").json["title"] == title


def test_a_byte_order_mark_is_passed_over(home: CodexHome, memoryd: Memoryd) -> None:
    thread_id = str(uuid.uuid4())
    home.file(_name(thread_id), b"\xef\xbb\xbf" + _meta(thread_id) + _user(b"hello there"))
    memoryd.once()

    assert memoryd("threads", "show", thread_id, "--json").json["cwd"] == "/w"


def test_a_torn_last_line_is_read_when_it_is_complete(home: CodexHome, memoryd: Memoryd) -> None:
    thread_id = str(uuid.uuid4())
    whole = _user(b"Please repair the billing report for March.")
    path = home.file(_name(thread_id), _meta(thread_id) + whole[:60])
    memoryd.once()
    before = memoryd("threads", "show", thread_id, "--json").json["title"]
    with open(path, "ab") as file:
        file.write(whole[60:])
    memoryd.once()

    assert before == ""
    assert (
        memoryd("threads", "show", thread_id, "--json").json["title"] == "Please repair the billing report for March."
    )


def test_a_truncated_file_is_read_anew(home: CodexHome, memoryd: Memoryd) -> None:
    thread_id = str(uuid.uuid4())
    path = home.file(_name(thread_id), _meta(thread_id) + _user(b"first words") + _user(b"more words") * 50)
    memoryd.once()
    path.write_bytes(_meta(thread_id) + _user(b"other words"))
    answer = memoryd.once()

    assert answer["backfill"]["indexed"] == 1
    assert memoryd("threads", "show", thread_id, "--json").json["title"] == "other words"


def test_a_symbolic_link_is_not_followed_and_is_seen(home: CodexHome, memoryd: Memoryd, tmp_path: Path) -> None:
    thread_id = str(uuid.uuid4())
    secret = tmp_path / "elsewhere.jsonl"
    secret.write_bytes(_meta(thread_id) + _user(b"not yours"))
    folder = home.path / "sessions" / "2026" / "01" / "02"
    folder.mkdir(parents=True)
    name = _name(thread_id)
    (folder / name).symlink_to(secret)
    answer = memoryd.once()

    assert answer["backfill"]["indexed"] == 0
    assert "symbolic link" in _troubles(memoryd)[name][1]
    (folder / name).unlink()
    memoryd.once()
    assert name not in _troubles(memoryd)


def test_a_wrong_name_is_not_a_rollout(home: CodexHome, memoryd: Memoryd) -> None:
    thread_id = str(uuid.uuid4())
    for name in (f"copy-{_name(thread_id)}", _name(thread_id) + ".bak", "notes.txt"):
        home.file(name, _meta(thread_id) + _user(b"hello"))

    assert memoryd.once()["backfill"]["files"] == 0


def test_two_files_of_one_thread_give_one_thread_and_the_other_is_seen(home: CodexHome, memoryd: Memoryd) -> None:
    thread_id = str(uuid.uuid4())
    for day, text in (("01", b"older copy"), ("03", b"newer copy")):
        home.file(f"rollout-2026-01-{day}T03-04-05-{thread_id}.jsonl", _meta(thread_id) + _user(text))
    memoryd.once()

    assert memoryd("threads", "show", thread_id, "--json").json["title"] == "newer copy"
    (status, reason) = _troubles(memoryd)[f"rollout-2026-01-01T03-04-05-{thread_id}.jsonl"]
    assert status == "shadowed"
    assert f"rollout-2026-01-03T03-04-05-{thread_id}.jsonl" in reason


def test_when_the_file_in_front_goes_the_shadowed_one_takes_its_place(home: CodexHome, memoryd: Memoryd) -> None:
    thread_id = str(uuid.uuid4())
    home.file(f"rollout-2026-01-01T03-04-05-{thread_id}.jsonl", _meta(thread_id) + _user(b"older copy"))
    front = home.file(f"rollout-2026-01-03T03-04-05-{thread_id}.jsonl", _meta(thread_id) + _user(b"newer copy"))
    memoryd.once()
    front.unlink()
    memoryd.once()

    assert memoryd("threads", "show", thread_id, "--json").json["title"] == "older copy"


def test_the_id_in_the_file_counts_not_the_one_in_its_name(home: CodexHome, memoryd: Memoryd) -> None:
    inside, outside = str(uuid.uuid4()), str(uuid.uuid4())
    home.file(_name(outside), _meta(inside) + _user(b"hello there"))
    memoryd.once()

    assert memoryd("threads", "show", inside, "--json").code == 0
    assert memoryd("threads", "show", outside, "--json").code == 1


@pytest.fixture
def unprivileged(memoryd: Memoryd) -> Memoryd:
    """The command without root's right to read everything."""
    if os.geteuid() != 0:
        return memoryd
    if shutil.which("setpriv") is None:
        pytest.skip("root reads everything, and there is no setpriv to take that away")
    return attrs.evolve(memoryd, prefix=("setpriv", "--bounding-set=-dac_override,-dac_read_search"))


def test_an_unreadable_file_costs_itself_and_is_tried_again(home: CodexHome, unprivileged: Memoryd) -> None:
    home.session().user(WISH)
    thread_id = str(uuid.uuid4())
    path = home.file(_name(thread_id), _meta(thread_id) + _user(b"hello there"))
    path.chmod(0)
    answer = unprivileged.once()

    assert answer["backfill"].items() >= {"indexed": 1, "failed": 1}.items()
    assert _troubles(unprivileged)[path.name] == ("failed", "no permission to read it")
    path.chmod(0o600)
    assert unprivileged.once()["backfill"].items() >= {"indexed": 1, "failed": 0}.items()
    assert path.name not in _troubles(unprivileged)


def test_an_unreadable_folder_loses_nothing_that_is_in_it(home: CodexHome, unprivileged: Memoryd) -> None:
    thread_id = str(uuid.uuid4())
    path = home.file(_name(thread_id), _meta(thread_id) + _user(b"hello there"))
    unprivileged.once()
    path.parent.chmod(0)
    try:
        answer = unprivileged.once()
        troubles = _troubles(unprivileged)
    finally:
        path.parent.chmod(0o700)

    assert answer["backfill"]["failed"] == 1
    assert troubles == {path.parent.name: ("failed", "no permission to read it")}
    assert [thread["id"] for thread in unprivileged.threads()] == [thread_id]
    assert unprivileged.once()["backfill"].items() >= {"unchanged": 1, "failed": 0}.items()
    assert _troubles(unprivileged) == {}


def test_a_state_folder_that_may_not_be_read_is_named(home: CodexHome, unprivileged: Memoryd) -> None:
    unprivileged.once()
    unprivileged.state_dir.chmod(0)
    try:
        ended = [unprivileged(*command.split()) for command in ("status", "threads list", "once")]
    finally:
        unprivileged.state_dir.chmod(0o700)

    assert [one.code for one in ended] == [3, 3, 3]
    assert all(str(unprivileged.state_dir) in one.stderr for one in ended)


def _bound_elsewhere(memoryd: Memoryd, tmp_path: Path) -> list[str]:
    other = tmp_path / "other"
    other.mkdir()
    assert Memoryd(codex_home=other, state_dir=memoryd.state_dir)("once").code == 0
    return []


def _newer_version(memoryd: Memoryd, tmp_path: Path) -> list[str]:
    import sqlite3

    memoryd.once()
    connection = sqlite3.connect(memoryd.state_dir / "state.sqlite")
    connection.execute("PRAGMA user_version = 99")
    connection.close()
    return []


def _wrong_key(memoryd: Memoryd, tmp_path: Path) -> list[str]:
    file = tmp_path / "config.toml"
    file.write_text("[extraction]\nmin_rollout_idle_hour = 2\n")
    return ["--config", str(file)]


def _wrong_unit(memoryd: Memoryd, tmp_path: Path) -> list[str]:
    file = tmp_path / "config.toml"
    file.write_text('[extraction]\nmin_rollout_idle_hours = "6h"\n')
    return ["--config", str(file)]


def _state_in_a_file(memoryd: Memoryd, tmp_path: Path) -> list[str]:
    memoryd.state_dir.write_text("not a folder")
    return []


@pytest.mark.parametrize(
    ("spoil", "code", "words"),
    [
        (_bound_elsewhere, 3, ["belongs to the Codex home", "--codex-home"]),
        (_newer_version, 3, ["schema 99", "newer memoryd"]),
        (_wrong_key, 2, ["extraction.min_rollout_idle_hour ", "min_rollout_idle_hours", "config.toml"]),
        (_wrong_unit, 2, ["a number of hours", '"6h"', "config.toml"]),
        (_state_in_a_file, 3, ["cannot use the state folder", "--state-dir"]),
    ],
    ids=["other-home", "newer-version", "wrong-key", "wrong-unit", "state-in-a-file"],
)
def test_what_cannot_be_used_is_refused_in_a_plain_sentence(
    memoryd: Memoryd,
    tmp_path: Path,
    spoil: Callable[[Memoryd, Path], list[str]],
    code: int,
    words: list[str],
) -> None:
    arguments = spoil(memoryd, tmp_path)
    for command in ("once", "status", "run"):
        if command == "status" and spoil is _state_in_a_file:
            continue  # nothing is there to be read, and that is what it says
        ended = memoryd(command, *arguments)

        assert ended.code == code, ended.stderr
        assert "Traceback" not in ended.stderr
        for word in words:
            assert word in ended.stderr
    in_json = memoryd("once", "--json", *arguments).json

    assert set(in_json["error"]) == {"code", "message", "hint", "retryable"}


def test_a_damaged_database_is_set_aside_and_rebuilt(home: CodexHome, memoryd: Memoryd) -> None:
    home.session().user(WISH)
    memoryd.once()
    database = memoryd.state_dir / "state.sqlite"
    database.write_bytes(b"garbage" * 1000)
    ended = memoryd("once", "--json")
    answer = ended.json

    assert "is set aside" in ended.stderr
    assert answer["backfill"]["indexed"] == 1
    assert len(memoryd("status", "--json").json["quarantined"]) == 1
    assert "pnpm" in (Path(answer["memories_dir"]) / "memory_summary.md").read_text()


def test_damage_that_only_a_reader_meets_is_said_and_the_next_start_begins_anew(
    home: CodexHome, memoryd: Memoryd
) -> None:
    home.session().user(WISH)
    memoryd.once()
    with apsw.Connection(str(memoryd.state_dir / "state.sqlite")) as connection:
        root = connection.execute("SELECT rootpage FROM sqlite_schema WHERE name = 'rollout_files_by_status'").get
        size = connection.pragma("page_size")
    connection.close()
    with open(memoryd.state_dir / "state.sqlite", "r+b") as file:
        file.seek((root - 1) * size)
        file.write(b"\xff" * size)
    ended = memoryd("status")

    assert ended.code == 4
    assert "state.sqlite is damaged" in ended.stderr
    assert "hint: `memoryd once`" in ended.stderr
    assert memoryd.once()["backfill"]["indexed"] == 1
    assert memoryd("status").code == 0


@pytest.mark.parametrize(
    "arguments",
    [
        ["no-such-command"], ["once", "--no-such-flag"], ["once", "--only", "nothing"], ["threads"],
        ["threads", "show"],
        ["threads", "list", "--limit", "0"], ["threads", "list", "--cursor", "garbage"], ["once", "--set", "nonsense"],
        ["once", "--model", "gpt-0"], ["status", "--config", "/no/such/file"],
    ],
)  # fmt: skip
def test_a_wrong_command_line_is_explained(memoryd: Memoryd, arguments: list[str]) -> None:
    ended = memoryd(*arguments)

    assert "Traceback" not in ended.stderr + ended.stdout
    assert ended.code == 2, ended.stderr
    assert ended.stderr.startswith("memoryd: ")


def test_a_group_without_a_command_shows_its_help(memoryd: Memoryd) -> None:
    ended = memoryd.bare("threads")

    assert ended.code == 0
    assert "list" in ended.stdout


def test_a_folder_that_holds_something_else_is_left_alone(home: CodexHome, tmp_path: Path) -> None:
    other = tmp_path / "documents"
    other.mkdir(mode=0o755)
    (other / "letter.txt").write_text("dear")
    ended = Memoryd(codex_home=home.path, state_dir=other, person=tmp_path)("once")

    assert ended.code == 3
    assert "holds something else" in ended.stderr
    assert [path.name for path in other.iterdir()] == ["letter.txt"]
    assert other.stat().st_mode & 0o777 == 0o755


@pytest.mark.parametrize("below", ["", "sessions", "state/deep"])
def test_a_state_folder_in_the_codex_home_is_refused(home: CodexHome, tmp_path: Path, below: str) -> None:
    home.session().user(WISH)
    before = home.digest()
    for command in ("once", "run"):
        ended = Memoryd(codex_home=home.path, state_dir=home.path / below, person=tmp_path)(command)

        assert ended.code == 3
        assert "lies in the Codex home" in ended.stderr
    assert home.digest() == before


@pytest.mark.parametrize("option", ["--codex-home", "--state-dir"])
def test_an_empty_path_is_not_the_current_folder(memoryd: Memoryd, option: str) -> None:
    ended = memoryd.bare("status", option, "")

    assert ended.code == 2
    assert f"{option} is empty" in ended.stderr


def test_a_missing_codex_home_is_said(tmp_path: Path) -> None:
    ended = Memoryd(codex_home=tmp_path / "nowhere", state_dir=tmp_path / "state")("once", "--json")

    assert ended.code == 0
    assert "nowhere does not exist" in ended.stderr


def test_output_that_cannot_be_written_is_no_defect(home: CodexHome, memoryd: Memoryd) -> None:
    home.session().user(WISH)
    memoryd.once()
    with open("/dev/full", "w") as full:
        ended = subprocess.run(
            memoryd.arguments("threads", "list", "--json"),
            env=memoryd.environment(),
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )

    assert ended.returncode == 1
    assert ended.stderr == "memoryd: no space left on device\n"


def test_a_terminal_that_knows_only_ascii_gets_escapes(home: CodexHome, memoryd: Memoryd) -> None:
    home.session().user("Please make the café page load faster than now.")
    memoryd.once()
    ended = memoryd("threads", "list", PYTHONIOENCODING="ascii")

    assert ended.code == 0
    assert "caf\\xe9" in ended.stdout
