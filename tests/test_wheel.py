"""The wheel: built from the tree, installed into an empty environment, started from an empty folder."""

import os
import shutil
import socket
import subprocess
import sys
import sysconfig
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path
from urllib.error import HTTPError, URLError
from urllib.request import urlopen

import pytest

from loopscope import __version__

ROOT = Path(__file__).resolve().parents[1]
STARTS_WITHIN_S = 90

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return built(ROOT, tmp_path_factory.mktemp("wheel"))


def built(tree: Path, folder: Path) -> Path:
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "-w", str(folder)]
    subprocess.run([*command, str(tree)], check=True, timeout=120)
    return next(folder.glob("*.whl"))


@pytest.fixture
def address(wheel: Path, tmp_path: Path) -> Iterator[str]:
    """The app of the wheel at work: an environment with the wheel alone that finds its packages where this one does."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", tmp_path / "venv"], check=True, timeout=60)
    bin_folder = tmp_path / "venv" / "bin"
    install = [sys.executable, "-m", "pip", "--python", bin_folder / "python", "install", "--quiet", "--no-deps", wheel]
    subprocess.run(install, check=True, timeout=120)
    site = Path(sysconfig.get_path("purelib", vars={"base": str(tmp_path / "venv")}))
    (site / "packages.pth").write_text(sysconfig.get_path("purelib"), encoding="utf-8")
    (tmp_path / "empty").mkdir()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    server = subprocess.Popen(
        [bin_folder / "loopscope", "--server.port", str(port), "--server.headless", "true"],
        cwd=tmp_path / "empty",
        env=environment,
    )
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.terminate()
        server.wait(30)


def answer(address: str) -> bytes:
    """What the server says, once it is up."""
    until = time.monotonic() + STARTS_WITHIN_S
    while True:
        try:
            with urlopen(address, timeout=10) as response:
                return bytes(response.read())
        except HTTPError:
            raise
        except URLError:
            assert time.monotonic() < until, f"{address} does not answer"
            time.sleep(0.2)


def test_the_wheel_holds_what_the_app_is_made_of(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        inside = set(archive.namelist())
        entry_points = archive.read(next(name for name in inside if name.endswith("entry_points.txt"))).decode()
    tracked = subprocess.run(["git", "ls-files", "loopscope"], cwd=ROOT, capture_output=True, text=True, check=True)
    assert set(tracked.stdout.split()) <= inside
    for folder in ("pages", "assets", ".streamlit"):
        expected = {f"loopscope/app/{path.relative_to(ROOT).as_posix()}" for path in (ROOT / folder).rglob("*.*")}
        assert {name for name in expected if "__pycache__" not in name} <= inside
    assert {"loopscope/app/app.py", "loopscope/py.typed"} <= inside
    assert "loopscope = loopscope.__main__:main" in entry_points
    assert wheel.name.startswith(f"loopscope-{__version__}-")


def test_a_wheel_built_twice_is_the_same_bytes(wheel: Path, tmp_path: Path) -> None:
    """In another folder, out of files of another age with other rights."""
    tree = tmp_path / "tree"
    listing = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(listing, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for name in filter(None, listed.split("\0")):
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / name, tree / name)
        os.utime(tree / name, (1e9, 1e9))
        (tree / name).chmod(0o600)
    assert built(tree, tmp_path / "again").read_bytes() == wheel.read_bytes()


def test_the_wheel_starts_from_an_empty_folder(address: str) -> None:
    assert answer(f"{address}/_stcore/health") == b"ok"
    assert b"export" in answer(f"{address}/ls/assets/explorer/any/main.js")
