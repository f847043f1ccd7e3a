"""Where real Codex binaries come from: `$CODEX_BIN` for today's, else pinned npm packages in a cache folder.

The package is installed once per machine: the first process takes a file lock and runs npm, the others wait for it.
A stamp file is written last, so that an installation that was cut off is done again and never used.
npm's `codex` is a script that starts the native program as its child. The tests use the native program itself, so that
a signal and a resource figure reach the process that does the work.
"""

import fcntl
import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path

CODEX_VERSION = "0.169.0"
"""The version that the tests' table of better answers was written against."""

OLD_VERSIONS = ("0.36.0", "0.104.0")
"""Versions whose rollouts people still have: one of the first with today's line envelope, whose threads had random ids
and whose turns had none; and one of the last before the paginated format. Both are small, 90 and 135 MB."""

INSTALL_SECONDS_MAX = 900.0
"""The package is about 400 MB; this is a slow line's worth of patience."""


class CodexUnavailableError(Exception):
    """There is no Codex binary to test beside, for the reason that the message gives."""


def codex_binary(version: str = CODEX_VERSION) -> Path:
    """The native Codex program, installed first when it has to be.

    Raises:
      CodexUnavailableError: npm is missing or failed, or `$CODEX_BIN` leads to no program.
    """
    chosen = os.environ.get("CODEX_BIN") if version == CODEX_VERSION else None
    return native_program(Path(chosen) if chosen else installed_launcher(version))


def cache_folder(version: str) -> Path:
    """A folder of this version in `$MEMORYD_TEST_CACHE`, else in the user's cache; never inside the checkout."""
    chosen = os.environ.get("MEMORYD_TEST_CACHE")
    return (Path(chosen) if chosen else Path.home() / ".cache" / "memoryd-tests") / f"codex-{version}"


def installed_launcher(version: str) -> Path:
    """npm's launcher script of this version, after installing it in its folder if it is not there yet."""
    cache = cache_folder(version)
    cache.mkdir(parents=True, exist_ok=True)
    stamp = cache / f"installed-{version}"
    with (cache / "install.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not stamp.exists():
            _install(cache, version)
            stamp.touch()
    return cache / "node_modules" / ".bin" / "codex"


def _install(cache: Path, version: str) -> None:
    npm = shutil.which("npm")
    if npm is None:
        raise CodexUnavailableError("npm is not installed")
    package = f"@openai/codex@{version}"
    command = [npm, "install", "--prefix", str(cache), "--no-audit", "--no-fund", package]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=INSTALL_SECONDS_MAX, check=False)
    except subprocess.TimeoutExpired:
        raise CodexUnavailableError(f"npm did not install {package} in {INSTALL_SECONDS_MAX:.0f} seconds") from None
    if done.returncode != 0:
        raise CodexUnavailableError(f"npm could not install {package}: {done.stderr.strip()[-500:]}")


def native_program(launcher: Path) -> Path:
    """The program that `launcher` starts, or `launcher` itself when it is no script."""
    try:
        real = launcher.resolve(strict=True)
        with real.open("rb") as file:
            is_script = file.read(2) == b"#!"
    except OSError as problem:
        raise CodexUnavailableError(f"there is no Codex program at {launcher}: {problem.strerror}") from None
    if not is_script:
        return real
    package = real.parent.parent
    # npm puts the package of this platform beside the launcher's, or inside it when it is installed globally.
    for folder in (package.parent, package / "node_modules" / "@openai"):
        for place in ("bin", "codex"):
            for program in sorted(folder.glob(f"codex-*/vendor/*/{place}/codex")):
                return program
    # The first versions came for all platforms at once.
    machine = {"arm64": "aarch64"}.get(platform.machine(), platform.machine())
    system = "apple-darwin" if sys.platform == "darwin" else "unknown-linux-musl"
    for program in package.glob(f"bin/codex-{machine}-{system}"):
        return program
    raise CodexUnavailableError(f"{launcher} is npm's launcher, but no native program is installed beside it")
