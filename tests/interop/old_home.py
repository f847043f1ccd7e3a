"""A Codex home that old versions of the real binary filled, and that today's then took over.

The rule: an old version is driven by nothing but what all versions have: a prompt through stdin, and `resume`. Which
thread a command worked in is told by the file that it made.
"""

import subprocess
from collections.abc import Mapping, Sequence
from enum import StrEnum
from pathlib import Path

import attrs

from state.ids import ThreadId
from tests.fakes.model_server import Call, FakeModelServer, Say
from tests.interop.app_server import running_app_server
from tests.interop.codex import Codex, forget_state_database
from tests.interop.genuine_home import age_rollouts
from tests.interop.installation import OLD_VERSIONS, codex_binary
from tests.interop.processes import PROCESS_SECONDS_MAX

FIRST, LAST = OLD_VERSIONS

CONFIG = """\
model = "gpt-5"
model_provider = "loopback"
approval_policy = "never"
sandbox_mode = "danger-full-access"
check_for_update_on_startup = false

[model_providers.loopback]
name = "Loopback"
base_url = "{model_url}"
wire_api = "responses"
requires_openai_auth = false
request_max_retries = 0
stream_max_retries = 0
"""


class OldVariety(StrEnum):
    """Which thread of the old home. Test ids are made of these words."""

    FIRST_PLAIN = "first-plain"
    FIRST_COMMANDS = "first-commands"
    """With a command, in the tool calls of its time."""
    FIRST_RESUMED = "first-resumed"
    """Two turns by two processes."""
    LAST_PLAIN = "last-plain"
    LAST_RESUMED = "last-resumed"
    LAST_PARENT = "last-parent"
    LAST_FORKED = "last-forked"
    """Copies LAST_PARENT and adds no turn."""
    LAST_FORKED_TURN = "last-forked-turn"
    """Copies LAST_PARENT and adds one."""


FIRST_VARIETIES = tuple(variety for variety in OldVariety if variety.startswith("first"))


@attrs.frozen(kw_only=True)
class OldHome:
    """The home, with today's program; no process works in it any more."""

    codex: Codex
    threads: Mapping[OldVariety, ThreadId]


def build_old_home(model: FakeModelServer, root: Path) -> OldHome:
    """Let the old versions make each variety once, below `root`, and today's version build its index of them."""
    codex = Codex.settle(codex_binary(), root, model.url)
    (codex.home / "config.toml").write_text(CONFIG.format(model_url=model.url), encoding="utf-8")
    work = root / "work"
    work.mkdir()
    first, last = (attrs.evolve(codex, binary=codex_binary(version)) for version in OLD_VERSIONS)
    listing = model.script(
        "Which files are here? Never change recipe.txt.",
        Call("shell", {"command": ["bash", "-lc", "ls"]}),
        Say("None."),
    )
    threads = {
        OldVariety.FIRST_PLAIN: _execute(first, "An early question", work),
        OldVariety.FIRST_COMMANDS: _execute(first, listing, work),
        OldVariety.FIRST_RESUMED: _execute(first, "First early question of two", work),
        OldVariety.LAST_PLAIN: _execute(last, "A later question", work),
        OldVariety.LAST_RESUMED: _execute(last, "First later question of two", work),
    }
    _run(first, "Second early question of two", work, "resume", threads[OldVariety.FIRST_RESUMED])
    _run(last, "Second later question of two", work, "resume", threads[OldVariety.LAST_RESUMED])
    threads |= _forks(last, work)
    forget_state_database(codex.home)
    age_rollouts(codex.home)
    codex.configure(model.url)
    with codex.app_server(codex.person) as server:
        server.initialize()
    return OldHome(codex=codex, threads=threads)


def _forks(codex: Codex, work: Path) -> dict[OldVariety, ThreadId]:
    with running_app_server(codex.binary, codex.environment, work) as server:
        server.initialize()

        def ask(thread: str, prompt: str) -> None:
            server.turn(thread, {"type": "text", "text": prompt})

        parent = server.request("thread/start", {"cwd": str(work)})["thread"]["id"]
        ask(parent, "I always prefer marzipan over nougat.")
        bare = server.request("thread/fork", {"threadId": parent})["thread"]["id"]
        forked = server.request("thread/fork", {"threadId": parent})["thread"]["id"]
        ask(forked, "Never use tabs in this folder.")
    return {
        OldVariety.LAST_PARENT: ThreadId(parent),
        OldVariety.LAST_FORKED: ThreadId(bare),
        OldVariety.LAST_FORKED_TURN: ThreadId(forked),
    }


def _execute(codex: Codex, prompt: str, work: Path) -> ThreadId:
    before = _rollouts(codex.home)
    _run(codex, prompt, work)
    (made,) = _rollouts(codex.home) - before
    return ThreadId(made.stem[-36:])


def _run(codex: Codex, prompt: str, work: Path, *options: str) -> None:
    command: Sequence[str | Path] = [codex.binary, "exec", "--skip-git-repo-check", *options, "-"]
    subprocess.run(
        command,
        cwd=work,
        env=codex.environment,
        input=prompt,
        capture_output=True,
        text=True,
        check=True,
        timeout=PROCESS_SECONDS_MAX,
    )


def _rollouts(home: Path) -> set[Path]:
    return set(home.glob("sessions/**/rollout-*.jsonl"))
