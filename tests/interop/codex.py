"""The real Codex binary, driven as a person drives it, in a throw-away home and with a model server on loopback.

Every command is a process of its own, so that each leaves its files and its database as a person's day would.
"""

import json
import sqlite3
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, closing
from pathlib import Path

import attrs

from state.ids import ThreadId
from tests.interop.app_server import AppServer, running_app_server
from tests.interop.processes import PROCESS_SECONDS_MAX, bare_environment

CONFIG = """\
model = "mock-model"
model_provider = "loopback"
approval_policy = "never"
sandbox_mode = "read-only"
suppress_unstable_features_warning = true

# Everything below that is switched off would look for the internet.
check_for_update_on_startup = false

[analytics]
enabled = false

[feedback]
enabled = false

[otel]
exporter = "none"
metrics_exporter = "none"

[features]
apps = false
plugins = false
plugin_sharing = false
remote_plugin = false
tool_suggest = false

[model_providers.loopback]
name = "Loopback"
base_url = "{model_url}"
wire_api = "responses"
requires_openai_auth = false
request_max_retries = 0
stream_max_retries = 0
"""

POLL_SECONDS = 0.01


@attrs.frozen(kw_only=True)
class Codex:
    """One Codex home and the program that works in it.

    Attributes:
      binary: the native program.
      home: its CODEX_HOME.
      person: its HOME, an empty folder.
      time_zone: the zone that its local time is in.
    """

    binary: Path
    home: Path
    person: Path
    time_zone: str = "UTC"

    @classmethod
    def settle(cls, binary: Path, root: Path, model_url: str) -> "Codex":
        """Make `root/codex-home` and `root/person`, and a configuration that speaks to nobody but `model_url`."""
        codex = cls(binary=binary, home=root / "codex-home", person=root / "person")
        codex.home.mkdir(parents=True)
        codex.person.mkdir()
        codex.configure(model_url)
        return codex

    def configure(self, model_url: str) -> None:
        """Write the configuration."""
        (self.home / "config.toml").write_text(CONFIG.format(model_url=model_url), encoding="utf-8")

    @property
    def environment(self) -> dict[str, str]:
        """What every Codex process gets."""
        return bare_environment(self.person, CODEX_HOME=str(self.home), RUST_LOG="error", TZ=self.time_zone)

    def execute(self, prompt: str, cwd: Path, *options: str) -> ThreadId:
        """One `codex exec` turn in a new thread. A turn that fails is a turn: the exit code is not looked at."""
        return self._turn("exec", prompt, cwd, *options)

    def resume(self, thread: ThreadId, prompt: str, cwd: Path) -> None:
        """One more turn of a thread that an earlier process began."""
        self._turn("exec", prompt, cwd, "resume", thread)

    def fork(self, thread: ThreadId, prompt: str, cwd: Path) -> ThreadId:
        """A new thread that begins where `thread` has come to, and one turn in it."""
        return self._turn("exec", prompt, cwd, "fork", thread)

    def archive(self, thread: ThreadId, cwd: Path) -> None:
        """What `codex archive` does: move the rollout into archived_sessions/."""
        command = [str(self.binary), "archive", thread]
        subprocess.run(
            command, cwd=cwd, env=self.environment, check=True, capture_output=True, timeout=PROCESS_SECONDS_MAX
        )

    def execute_and_kill(self, prompt: str, cwd: Path) -> ThreadId:
        """Begin a turn and SIGKILL the process as soon as Codex's own database knows the prompt.

        The model must be hanging on this prompt, so that the turn cannot end first.
        """
        process = subprocess.Popen(
            [self.binary, "exec", "--json", "--skip-git-repo-check", "-"],
            cwd=cwd,
            env=self.environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        assert process.stdin is not None
        assert process.stdout is not None
        with process:
            try:
                process.stdin.write(prompt)
                process.stdin.close()
                thread = _started_thread(process.stdout)
                self._wait_for_preview(thread, prompt)
            finally:
                process.kill()
        return thread

    def app_server(self, cwd: Path) -> AbstractContextManager[AppServer]:
        """A running `codex app-server` of this home."""
        return running_app_server(self.binary, self.environment, cwd)

    def _turn(self, command: str, prompt: str, cwd: Path, *options: str) -> ThreadId:
        # The prompt goes through stdin: a single argument may have 128 KiB at most on Linux.
        done = subprocess.run(
            [self.binary, command, "--json", "--skip-git-repo-check", *options, "-"],
            cwd=cwd,
            env=self.environment,
            input=prompt,
            capture_output=True,
            text=True,
            check=False,
            timeout=PROCESS_SECONDS_MAX,
        )
        try:
            return _started_thread(iter(done.stdout.splitlines()))
        except LookupError:
            raise AssertionError(f"codex {command} started no thread: {done.stderr.strip()[-1000:]}") from None

    def _wait_for_preview(self, thread: ThreadId, preview: str) -> None:
        deadline = time.monotonic() + PROCESS_SECONDS_MAX
        while time.monotonic() < deadline:
            with closing(sqlite3.connect(f"{state_database(self.home).as_uri()}?mode=ro", uri=True)) as database:
                found = database.execute("SELECT 1 FROM threads WHERE id = ? AND preview = ?", (thread, preview))
                if found.fetchone() is not None:
                    return
            time.sleep(POLL_SECONDS)
        raise AssertionError(f"Codex never recorded the prompt of {thread}")


def _started_thread(lines: Iterator[str]) -> ThreadId:
    """The id that `codex exec --json` prints first. Raises LookupError when no line has it."""
    for line in lines:
        event: Mapping[str, str] = json.loads(line)
        if event["type"] == "thread.started":
            return ThreadId(event["thread_id"])
    raise LookupError("no thread.started event")


def state_database(home: Path) -> Path:
    """Codex's own thread index: the `state_N.sqlite` of the highest N."""
    return max(home.glob("state_*.sqlite"), key=lambda path: int(path.stem.removeprefix("state_")))


def forget_state_database(home: Path) -> None:
    """Delete Codex's thread index, so that the next start builds it again from the rollouts."""
    for path in home.glob("state_*.sqlite*"):
        path.unlink()
