"""Where the real Codex binary comes from: `$CODEX_BIN`, else the pinned npm package in a cache folder.

The package is installed once per machine: the first process takes a file lock and runs npm, the others wait for it.
A stamp file is written last, so that an installation that was cut off is done again and never used.
npm's `codex` is a script that starts the native program as its child. The tests use the native program itself, so that
a signal and a resource figure reach the process that does the work.
"""

import fcntl
import os
import shutil
import subprocess
from pathlib import Path

CODEX_VERSION = "0.169.0"
"""The version that the tests' table of better answers was written against."""

INSTALL_SECONDS_MAX = 900.0
"""The package is about 400 MB; this is a slow line's worth of patience."""


class CodexUnavailableError(Exception):
    """There is no Codex binary to test beside, for the reason that the message gives."""


def codex_binary() -> Path:
    """The native Codex program, installed first when it has to be.

    Raises:
      CodexUnavailableError: npm is missing or failed, or `$CODEX_BIN` leads to no program.
    """
    chosen = os.environ.get("CODEX_BIN")
    return native_program(Path(chosen) if chosen else installed_launcher(cache_folder()))


def cache_folder() -> Path:
    """`$MEMORYD_TEST_CACHE`, else a folder in the user's cache; never inside the checkout."""
    chosen = os.environ.get("MEMORYD_TEST_CACHE")
    return Path(chosen) if chosen else Path.home() / ".cache" / "memoryd-tests" / f"codex-{CODEX_VERSION}"


def installed_launcher(cache: Path) -> Path:
    """npm's launcher script below `cache`, after installing the pinned version there if it is not there yet."""
    cache.mkdir(parents=True, exist_ok=True)
    stamp = cache / f"installed-{CODEX_VERSION}"
    with (cache / "install.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not stamp.exists():
            _install(cache)
            stamp.touch()
    return cache / "node_modules" / ".bin" / "codex"


def _install(cache: Path) -> None:
    npm = shutil.which("npm")
    if npm is None:
        raise CodexUnavailableError("npm is not installed")
    package = f"@openai/codex@{CODEX_VERSION}"
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
        for program in sorted(folder.glob("codex-*/vendor/*/bin/codex")):
            return program
    raise CodexUnavailableError(f"{launcher} is npm's launcher, but no native program is installed beside it")
