"""One Codex home that holds every variety of thread once, each made by the real binary."""

import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

import attrs

from state.ids import ThreadId
from state.rollouts.representation import zstd
from tests.fakes.model_server import Call, FakeModelServer, Hang, Refuse, Say, patch, run
from tests.interop.app_server import AppServer
from tests.interop.codex import Codex
from tests.interop.processes import bare_environment
from tests.interop.varieties import NAMES, Variety

LONG_PROMPT_WORDS = 20_000
"""120 kB: more than the 100 kB that a message of the size of a pasted log has."""

LONG_REPLY_CHARS = 200_000
SLOW_SECONDS = 1.2

WEST_OF_GREENWICH = "America/New_York"

UNICODE_PROMPT = (
    "Grüße aus Łódź, 你好, שלום, مرحبا, 👩\u200d🚀 and a \u2028 separator\n\n"
    "## A heading\n\t\"quoted\" and 'quoted', a \\ backslash, a \x07 bell, e\u0301 beside é"
)

ONE_PIXEL_PNG = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010802000000907753de"
    "0000000c49444154789c63f8cfc0000003010100c9fe92ef0000000049454e44ae426082"
)


@attrs.frozen(kw_only=True)
class GenuineHome:
    """A home that the real binary filled; no process works in it any more.

    Attributes:
      threads: the thread of each variety.
    """

    codex: Codex
    threads: Mapping[Variety, ThreadId]

    @property
    def path(self) -> Path:
        return self.codex.home


def build_genuine_home(binary: Path, model: FakeModelServer, root: Path) -> GenuineHome:
    """Let the real binary make each variety once, below `root`. Takes some seven seconds."""
    codex = Codex.settle(binary, root, model.url)
    work = root / "work"
    work.mkdir()
    threads = _by_command_line(codex, model, work)
    with codex.app_server(work) as server:
        server.initialize()
        threads |= _by_app_server(server, model, work)
        threads |= _forks(server, threads, model, work)
    change_forms(codex.home, threads)
    return GenuineHome(codex=codex, threads=threads)


def age_rollouts(home: Path) -> None:
    """Let rollouts have been written two seconds apart, in the order of their paths.

    Codex's backfill moves times that lie less than a second apart away from each other; these stay as they are.
    """
    found = home.glob("*sessions/**/rollout-*.jsonl*")
    rollouts = sorted(found, key=lambda path: str(path.relative_to(home)))
    youngest_ns = max(path.stat().st_mtime_ns for path in rollouts)
    for index, path in enumerate(rollouts):
        mtime_ns = youngest_ns + index * 2_000_000_000
        os.utime(path, ns=(mtime_ns, mtime_ns))


def aged_copy(home: GenuineHome, root: Path) -> GenuineHome:
    """A copy below `root` whose rollouts are aged."""
    copy = GenuineHome(codex=attrs.evolve(home.codex, home=root / "codex-home"), threads=home.threads)
    shutil.copytree(home.path, copy.path)
    age_rollouts(copy.path)
    return copy


def _by_command_line(codex: Codex, model: FakeModelServer, work: Path) -> dict[Variety, ThreadId]:
    threads = {
        Variety.PLAIN: codex.execute("What is this folder for?", work),
        Variety.COMMANDS: run_commands(codex, model, work.parent / "bakery"),
        Variety.PATCHED: _patch_a_file(codex, model, work),
        Variety.GIT: codex.execute("Which branch is this?", _repository(work.parent / "orchard", codex.person)),
        Variety.RESUMED: codex.execute("First question of three", work),
        Variety.ARCHIVED: codex.execute("A thread that is put away", work),
        Variety.UNICODE: codex.execute(UNICODE_PROMPT, work),
        Variety.LONG_PROMPT: codex.execute("Here is the log. " + "line, " * LONG_PROMPT_WORDS, work),
        Variety.FULL_ACCESS: codex.execute(
            "Do as you like", work, "--sandbox", "danger-full-access", "--config", 'model_reasoning_effort="high"'
        ),
        Variety.MEMORY_OFF: codex.execute(
            "I always prefer marzipan over nougat.", work, "--config", "memories.generate_memories=false"
        ),
    }
    elsewhere = attrs.evolve(codex, time_zone=WEST_OF_GREENWICH)
    threads[Variety.LOCAL_TIME] = elsewhere.execute("Which time is it here?", work)
    codex.resume(threads[Variety.RESUMED], "Second question of three", work)
    codex.resume(threads[Variety.RESUMED], "Third question of three", work)
    threads[Variety.FORKED] = codex.fork(threads[Variety.RESUMED], "A question beside the three", work)
    codex.archive(threads[Variety.ARCHIVED], work)
    prompt = model.script("Write a very long line", Say("x" * LONG_REPLY_CHARS))
    threads[Variety.LONG_REPLY] = codex.execute(prompt, work)
    prompt = model.script("Take your time", Say("Here it is.", delay_seconds=SLOW_SECONDS))
    threads[Variety.SLOW] = codex.execute(prompt, work)
    threads[Variety.FAILED] = codex.execute(model.script("This cannot work", Refuse(500)), work)
    threads[Variety.KILLED] = codex.execute_and_kill(model.script("This never ends", Hang()), work)
    return threads


def run_commands(codex: Codex, model: FakeModelServer, folder: Path) -> ThreadId:
    """A thread whose commands fail, find out why, and succeed; `folder` is made for it."""
    folder.mkdir()
    (folder / "recipe.txt").write_text("flour\nwater\nsalt\n" * 40, encoding="utf-8")
    prompt = model.script(
        "The bake command fails, please find out why. Never change recipe.txt.",
        run("cat receipt.txt"),
        run("ls -la"),
        run("cat recipe.txt"),
        Say("The file is called recipe.txt, not receipt.txt; reading it works."),
    )
    return codex.execute(prompt, folder)


def _patch_a_file(codex: Codex, model: FakeModelServer, work: Path) -> ThreadId:
    prompt = model.script(
        "Add a greeting, then make it friendlier",
        patch("*** Add File: greeting.txt", "+Hello."),
        patch("*** Update File: greeting.txt", "@@", "-Hello.", "+Hello, friend!"),
        Say("greeting.txt says hello to a friend."),
    )
    return codex.execute(prompt, work, "--sandbox", "workspace-write")


def _repository(folder: Path, person: Path) -> Path:
    folder.mkdir()
    (folder / "apples.txt").write_text("boskoop\n", encoding="utf-8")
    for command in (
        "init --quiet --initial-branch feature/grafting",
        "remote add origin https://git.invalid/orchard.git",
        "add apples.txt",
        "-c user.name=Ann -c user.email=ann@invalid commit --quiet --message first",
    ):
        subprocess.run(["git", *command.split()], cwd=folder, env=bare_environment(person), check=True)
    return folder


def _by_app_server(server: AppServer, model: FakeModelServer, work: Path) -> dict[Variety, ThreadId]:
    threads = {
        Variety.APP_SERVER_NAMED: _start(server, work, "A program asks", "And asks once more"),
        Variety.INTERRUPTED: _interrupted_thread(server, model, work),
        Variety.LEGACY: legacy_thread(server, model, work),
        Variety.LEGACY_EDITED: _start(server, work, "To be edited", historyMode="legacy"),
        Variety.IMAGE_ONLY: _start(server, work),
        Variety.DYNAMIC_TOOL: _start(server, work, "Look it up", dynamicTools=[_LOOKUP_TOOL]),
        Variety.RENAMED: _start(server, work, "What shall this be called?"),
        Variety.COMPRESSED: _start(server, work, "This is put away compressed", "With a second question"),
        Variety.BOTH_FORMS: _start(server, work, "This is there twice", "With a second question"),
    }
    server.request("thread/name/set", {"threadId": threads[Variety.RENAMED], "name": "The first name"})
    threads[Variety.NAMED_FORK] = _fork(server, threads[Variety.RENAMED], "And what this?")
    for variety, name in NAMES.items():
        server.request("thread/name/set", {"threadId": threads[variety], "name": name})
    edit = {"threadId": threads[Variety.LEGACY_EDITED], "gitInfo": {"branch": "set/by-hand"}}
    server.request("thread/metadata/update", edit)
    picture = work / "pixel.png"
    picture.write_bytes(ONE_PIXEL_PNG)
    server.turn(threads[Variety.IMAGE_ONLY], {"type": "localImage", "path": str(picture)})
    forked = server.request("thread/fork", {"threadId": threads[Variety.LEGACY]})
    threads[Variety.LEGACY_FORKED] = ThreadId(forked["thread"]["id"])
    return threads | _parent_and_child(server, model, work)


def _fork(server: AppServer, thread: ThreadId, *prompts: str) -> ThreadId:
    forked = ThreadId(server.request("thread/fork", {"threadId": thread})["thread"]["id"])
    for prompt in prompts:
        server.turn(forked, {"type": "text", "text": prompt})
    return forked


def _forks(
    server: AppServer, threads: Mapping[Variety, ThreadId], model: FakeModelServer, work: Path
) -> dict[Variety, ThreadId]:
    once = _fork(server, threads[Variety.LEGACY], "A question of the fork alone")
    return {
        Variety.LEGACY_FORKED_TURN: once,
        Variety.LEGACY_FORKED_TWICE: _fork(server, once, "A question of the fork's fork alone"),
        Variety.PAGINATED_FORKED: _fork(server, threads[Variety.APP_SERVER_NAMED], "A question beside the two"),
        **_child_with_context(server, model, work),
    }


def change_forms(home: Path, threads: Mapping[Variety, ThreadId]) -> None:
    """Give two rollouts the forms that their varieties are about. No process may work in `home`.

    A compressed file keeps the time of the plain one, as Codex does it.
    """
    for variety in (Variety.COMPRESSED, Variety.BOTH_FORMS):
        (plain,) = home.glob(f"sessions/**/rollout-*-{threads[variety]}.jsonl")
        status, data = plain.stat(), plain.read_bytes()
        compressed = plain.with_name(plain.name + ".zst")
        if variety is Variety.COMPRESSED:
            compressed.write_bytes(zstd.compress(data))
            plain.unlink()
        else:
            compressed.write_bytes(zstd.compress(data[: data.index(b"\n") + 1]))
        os.utime(compressed, ns=(status.st_atime_ns, status.st_mtime_ns))


_LOOKUP_TOOL = {
    "name": "look_up",
    "description": "Looks a word up",
    "inputSchema": {"type": "object", "properties": {"word": {"type": "string"}}},
}


def legacy_thread(server: AppServer, model: FakeModelServer, work: Path) -> ThreadId:
    """A thread in the older line format: a turn with a command, and a turn without."""
    prompt = model.script("Which files are here?", run("ls"), Say("A few."))
    return _start(server, work, prompt, "Thank you", historyMode="legacy")


def _interrupted_thread(server: AppServer, model: FakeModelServer, work: Path) -> ThreadId:
    thread = _start(server, work)
    prompt = model.script("Think about this for ever", Hang())
    started = server.request("turn/start", {"threadId": thread, "input": [{"type": "text", "text": prompt}]})
    server.wait_for("item/completed", {"threadId": thread})
    server.request("turn/interrupt", {"threadId": thread, "turnId": started["turn"]["id"]})
    server.wait_for("turn/completed", {"threadId": thread})
    return thread


def _start(server: AppServer, work: Path, *prompts: str, **options: object) -> ThreadId:
    started = server.request("thread/start", {"cwd": str(work), **options})
    thread = ThreadId(started["thread"]["id"])
    for prompt in prompts:
        server.turn(thread, {"type": "text", "text": prompt})
    return thread


def _parent_and_child(server: AppServer, model: FakeModelServer, work: Path) -> dict[Variety, ThreadId]:
    prompt = model.script(
        "Let somebody else count the files",
        Call("spawn_agent", {"message": "Count the files for your parent"}, namespace="multi_agent_v1"),
        Say("Somebody is counting."),
    )
    parent = _start(server, work, prompt)
    # Every other turn of this server has been waited for, so the next one that ends is the child's.
    ended = server.wait_for("turn/completed")
    return {Variety.PARENT: parent, Variety.SUB_AGENT: ThreadId(ended["params"]["threadId"])}


def _child_with_context(server: AppServer, model: FakeModelServer, work: Path) -> dict[Variety, ThreadId]:
    message = {"message": "Go on where your parent is", "fork_context": True}
    prompt = model.script(
        "Let somebody go on from here",
        Call("spawn_agent", message, namespace="multi_agent_v1"),
        Say("Somebody goes on."),
    )
    parent = _start(server, work, "Something to know before", prompt, historyMode="legacy")
    ended = server.wait_for("turn/completed")
    return {Variety.CONTEXT_PARENT: parent, Variety.CONTEXT_CHILD: ThreadId(ended["params"]["threadId"])}
