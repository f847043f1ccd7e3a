"""The released wheel: everything is in it, and it runs where modules of the same names lie around."""

import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest

from tests.fakes.command import ROOT

pytestmark = pytest.mark.slow

PACKAGES = ("chaos", "config", "interfaces", "state", "workers")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from the files that git would release."""
    source = tmp_path_factory.mktemp("source")
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True)
    for name in filter(None, listed.stdout.split("\0")):
        if (ROOT / name).is_file():
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            (source / name).write_bytes((ROOT / name).read_bytes())
    built = subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--outdir", str(source / "dist"), str(source)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert built.returncode == 0, built.stdout[-2000:] + built.stderr[-2000:]
    (path,) = (source / "dist").glob("memoryd-*.whl")
    return path


def test_the_wheel_holds_every_module_and_data_file(wheel: Path) -> None:
    wanted = {"memoryd/__init__.py", "memoryd/__main__.py", "memoryd/_app/supervisor.py"}
    wanted |= {"memoryd/_app/commands.py", "memoryd/_app/serving.py", "memoryd/_app/stopping.py"}
    for package in PACKAGES:
        for path in (ROOT / package).rglob("*"):
            if path.suffix in (".py", ".sql", ".toml") or path.name == "VERSION":
                relative = path.relative_to(ROOT)
                if relative.parts[:2] != ("config", "launcher"):
                    wanted.add(f"memoryd/_app/{relative.as_posix()}")
    held = set(zipfile.ZipFile(wheel).namelist())

    assert wanted - held == set()
    assert not [name for name in held if name.startswith(("tests/", "memoryd/_app/tests", "state/", "config/"))]


def test_the_wheel_runs_in_a_hostile_folder(wheel: Path, tmp_path: Path) -> None:
    environment = tmp_path / "venv"
    # With the packages of the test environment, so that nothing has to be fetched again.
    venv.create(environment, with_pip=False, system_site_packages=False)
    (site,) = (environment / "lib").glob("python*/site-packages")
    own = next(path for path in sys.path if path.endswith("site-packages"))
    zipfile.ZipFile(wheel).extractall(site)
    (site / "dependencies.pth").write_text(own + "\n")
    hostile = tmp_path / "hostile"
    for name in ("state", "config", "workers", "interfaces", "supervisor"):
        (hostile / name).mkdir(parents=True)
        (hostile / name / "__init__.py").write_text("raise SystemExit('the wrong module was imported')\n")
    ended = subprocess.run(
        [str(environment / "bin" / "python"), "-m", "memoryd", "paths", "--state-dir", str(tmp_path / "state")],
        cwd=hostile,
        env={"PATH": "/usr/bin:/bin", "HOME": str(tmp_path), "PYTHONPATH": str(hostile)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert ended.returncode == 0, ended.stderr
    assert str(tmp_path / "state") in ended.stdout
