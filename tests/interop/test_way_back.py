"""The way back: the real binary's next session begins with what memoryd published, and `--undo` takes it away."""

import json
import os
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import attrs
import pytest

from state.codex_jobs import last_consolidation
from tests.fakes.codex_home import CodexHome
from tests.fakes.command import Memoryd
from tests.fakes.model_server import FakeModelServer, Say, Step, fake_model_server, run
from tests.interop.codex import Codex
from tests.interop.genuine_home import run_commands

pytestmark = pytest.mark.interop

ON = ("--set", "publish.codex=true")
WISH = "Never change recipe.txt"
PHASE_2_SECONDS_MAX = 60.0

AGENT_SUMMARY = (
    "v1\n\n## User Profile\nTHE AGENT WROTE THIS\n\n## User preferences\n- x\n\n## General Tips\n- y\n\n"
    "## What's in Memory\n"
)

Tree = Mapping[str, tuple[int, bytes]]


def _tree(home: Path, *folders: str) -> Tree:
    """Permission bits and bytes of everything in the home, or in these folders of it."""
    tops = [home / folder for folder in folders] if folders else [home]
    paths = sorted(path for top in tops for path in (top, *top.rglob("*")) if path.exists())
    return {
        str(path.relative_to(home)): (path.stat().st_mode, path.read_bytes() if path.is_file() else b"")
        for path in paths
    }


def _injected(request: Mapping[str, Any]) -> str:
    """The memory summary in a model request; '' when there is none."""
    for item in request["input"]:
        for part in item.get("content") or ():
            text = part.get("text", "")
            if "MEMORY_SUMMARY BEGINS" in text:
                between = text.partition("MEMORY_SUMMARY BEGINS")[2].partition("MEMORY_SUMMARY ENDS")[0]
                return str(between)
    return ""


@attrs.frozen(kw_only=True)
class Setting:
    """A home of genuine sessions, the model that it speaks to, and memoryd for it."""

    codex: Codex
    model: FakeModelServer
    memoryd: Memoryd
    work: Path

    def configure(self, *lines: str) -> None:
        """Switch Codex's memories on, with these lines in its [memories]."""
        self.codex.configure(self.model.url)
        path = self.codex.home / "config.toml"
        text = path.read_text(encoding="utf-8").replace("[features]\n", "[features]\nmemories = true\n")
        path.write_text(text + "\n[memories]\n" + "".join(f"{line}\n" for line in lines), encoding="utf-8")

    def next_request(self) -> Mapping[str, Any]:
        """The first request of a fresh session with a person's prompt in it."""
        begun = len(self.model.requests)
        self.codex.execute("What do you remember?", self.work)
        asked = [body for body in self.model.requests[begun:] if "What do you remember?" in json.dumps(body["input"])]
        return asked[0]


@pytest.fixture
def setting(codex_program: Path, tmp_path: Path) -> Iterator[Setting]:
    """A home with one session that says something worth remembering."""
    with fake_model_server() as model:
        codex = Codex.settle(codex_program, tmp_path, model.url)
        run_commands(codex, model, tmp_path / "bakery")
        work = tmp_path / "work"
        work.mkdir()
        memoryd = Memoryd(codex_home=codex.home, state_dir=tmp_path / "state", person=codex.person)
        yield Setting(codex=codex, model=model, memoryd=memoryd, work=work)


@pytest.mark.parametrize(
    ("version", "folder", "is_there"),
    [
        ('version = "v1"', "memories", False),
        ('version = "v2"', "memories_v2", False),
        ("", "memories_v2", False),
        ("", "memories", True),
    ],
    ids=["v1", "v2", "unset", "unset-with-a-v1-folder"],
)
def test_the_next_session_begins_with_what_was_published(
    setting: Setting, version: str, folder: str, is_there: bool
) -> None:
    setting.configure(version, "generate_memories = false")
    if is_there:
        (setting.codex.home / "memories").mkdir()
    answer = setting.memoryd.once(*ON)
    summary = (setting.memoryd.state_dir / "memories" / "memory_summary.md").read_text(encoding="utf-8")
    request = setting.next_request()

    assert answer["publishing"]["problem"] is None
    assert answer["publishing"]["written"] >= 4
    assert WISH in summary
    assert summary.strip() in _injected(request)
    assert f"/{folder}/" in json.dumps(request["input"])
    ours = {path for path in _tree(setting.codex.home, folder) if (setting.codex.home / path).is_file()} & {
        *_listed_as_ours(setting.memoryd)
    }
    assert len(ours) == answer["publishing"]["written"]
    undone = setting.memoryd.ask("publish", "codex", "--undo")

    # What Codex itself made in the folder meanwhile is its own; everything of memoryd's is gone.
    assert set(undone["removed"]) == ours
    assert undone["kept"] == []
    assert not ours & {*_tree(setting.codex.home)}
    assert not (setting.codex.home / folder / "scopes").exists()


def _listed_as_ours(memoryd: Memoryd) -> list[str]:
    manifest = json.loads((memoryd.state_dir / "publish" / "codex.json").read_text(encoding="utf-8"))
    return list(manifest["files"])


@pytest.mark.parametrize("is_there", [False, True], ids=["", "with-a-v1-folder"])
@pytest.mark.parametrize("version", ['version = "v1"', 'version = "v2"', ""], ids=["v1", "v2", "unset"])
def test_undo_leaves_the_home_as_it_was_to_the_byte(setting: Setting, version: str, is_there: bool) -> None:
    setting.configure(version)
    if is_there:
        (setting.codex.home / "memories").mkdir()
        (setting.codex.home / "memories" / "raw_memories.md").write_text("# Raw Memories\n", encoding="utf-8")
    before = _tree(setting.codex.home)
    setting.memoryd.once(*ON)
    published = _tree(setting.codex.home)
    setting.memoryd.ask("publish", "codex", "--undo")

    assert published != before
    assert _tree(setting.codex.home) == before


def _with_phase_2(setting: Setting, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the model answer Codex's own memory requests; its phase 2 agent writes a summary and an index of its own."""
    answer = setting.model.answer
    script = f"cat > memory_summary.md <<'E'\n{AGENT_SUMMARY}E\nprintf '# Task Group: agent\\n' > MEMORY.md"

    def with_memories(body: Mapping[str, Any], headers: Mapping[str, str]) -> tuple[int, Step]:
        number, step = answer(body, headers)
        if ((body.get("text") or {}).get("format") or {}).get("type") == "json_schema":
            fields = body["text"]["format"]["schema"]["properties"]
            return number, Say(json.dumps({name: f"fake {name}" for name in fields}))
        users = [item for item in body["input"] if item.get("role") == "user"]
        prompt = "".join(part.get("text", "") for part in users[-1]["content"])
        if "memory_summary.md" in prompt and "onsolidat" in prompt:
            done = any(str(item.get("type", "")).endswith("_call_output") for item in body["input"])
            return number, Say("consolidated") if done else run(script)
        return number, step

    monkeypatch.setattr(setting.model, "answer", with_memories)


@pytest.mark.parametrize(
    ("version", "folder", "database"),
    [("v1", "memories", "memories_1.sqlite"), ("v2", "memories_v2", "memories_v2_1.sqlite")],
)
def test_what_codexs_own_consolidation_rewrites_is_put_aside_and_put_back(
    setting: Setting, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, version: str, folder: str, database: str
) -> None:
    rollout = CodexHome(path=setting.codex.home).session(hours_ago=3, model_provider="loopback", cwd=str(setting.work))
    rollout.user("Please bake a bread.")
    os.utime(rollout.path, (time.time() - 10_000,) * 2)
    setting.configure(
        f'version = "{version}"', "min_rollout_idle_hours = 1", 'extract_model = "mock-model"',
        'consolidation_model = "mock-model"',
    )  # fmt: skip
    setting.memoryd.once(*ON)
    home = setting.codex.home / folder
    ours = {name: (home / name).read_bytes() for name in ("memory_summary.md", "MEMORY.md")}
    _with_phase_2(setting, monkeypatch)
    with setting.codex.app_server(setting.work) as server:
        server.initialize()
        thread = server.request("thread/start", {"cwd": str(setting.work)})["thread"]["id"]
        server.turn(thread, {"type": "text", "text": "Hello"})
        give_up_at = time.monotonic() + PHASE_2_SECONDS_MAX
        while last_consolidation(setting.codex.home / database) is None:
            assert time.monotonic() < give_up_at, "Codex never consolidated"
            time.sleep(0.2)
    theirs = {name: (home / name).read_bytes() for name in ours}
    answer = setting.memoryd.once(*ON)

    assert theirs["memory_summary.md"].decode() == AGENT_SUMMARY
    assert answer["publishing"].items() >= {"restored": 2, "kept": 0, "problem": None}.items()
    assert {name: (home / name).read_bytes() for name in ours} == ours
    for name, data in theirs.items():
        (aside,) = (setting.memoryd.state_dir / "publish" / "displaced").glob(f"*/{folder}/{name}")
        assert aside.read_bytes() == data


def test_what_a_person_edited_is_kept_whatever_codex_does_beside_it(setting: Setting) -> None:
    setting.configure('version = "v2"')
    setting.memoryd.once(*ON)
    index = setting.codex.home / "memories_v2" / "MEMORY.md"
    index.write_text("# Mine\n", encoding="utf-8")
    setting.next_request()
    answer = setting.memoryd.once(*ON)

    assert answer["publishing"]["kept"] == 1
    assert index.read_text(encoding="utf-8") == "# Mine\n"
