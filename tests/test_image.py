"""The Dockerfile, as far as can be seen without docker; `.ci/image` carries it out."""

import json
import os
import re
import shlex
import socket
import subprocess
import sys
import threading
import tomllib
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader
from pathlib import Path
from types import ModuleType

import pytest
import yaml

from loopscope.cluster.spread import CLUSTER_VARIABLE

ROOT = Path(__file__).resolve().parents[1]


def script() -> ModuleType:
    """.ci/image as a module: what reads the Dockerfile there reads it here."""
    loader = SourceFileLoader("image_script", str(ROOT / ".ci" / "image"))
    specification = spec_from_loader("image_script", loader)
    assert specification is not None
    module = module_from_spec(specification)
    sys.dont_write_bytecode, before = True, sys.dont_write_bytecode
    try:
        loader.exec_module(module)
    finally:
        sys.dont_write_bytecode = before
    return module


STEPS = script().instructions((ROOT / "Dockerfile").read_text())
LAST = STEPS[max(number for number, (word, _) in enumerate(STEPS) if word == "FROM") :]


def only(word: str) -> str:
    found = [rest for name, rest in LAST if name == word]
    assert len(found) == 1
    return found[0]


def copied() -> set[str]:
    return {source for word, rest in STEPS if word == "COPY" and "--from" not in rest for source in rest.split()[:-1]}


def test_what_is_copied_is_there_and_not_ignored() -> None:
    taken = {line[1:] for line in (ROOT / ".dockerignore").read_text().split() if line.startswith("!")}
    for source in copied():
        assert (ROOT / source).exists()
        assert source.split("/")[0] in taken


def test_all_that_the_wheel_is_made_of_is_copied() -> None:
    build = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["targets"]["wheel"]
    assert {*build["packages"], *build["force-include"]} <= copied()


def test_it_runs_as_nobody_s_root_and_writes_into_its_volume_only() -> None:
    user = only("USER")
    made = next(rest for word, rest in LAST if word == "RUN")
    assert re.search(rf"useradd .*\b{user}\b", made)
    home, _ = script().json.loads(only("VOLUME"))
    variables = dict(pair.split("=", 1) for word, rest in LAST if word == "ENV" for pair in shlex.split(rest))
    assert home == f"/home/{user}"
    for name in ("HOME", "LOOPSCOPE_HOME", "PYTHONPYCACHEPREFIX", "NUMBA_CACHE_DIR"):
        assert variables[name].startswith(home)


def test_it_listens_where_it_says_and_is_asked_there() -> None:
    port = only("EXPOSE")
    assert f"--server.port {port}" in (ROOT / "deploy" / "start").read_text()
    assert f"127.0.0.1:{port}/" in (ROOT / "deploy" / "healthy").read_text()
    assert only("HEALTHCHECK").endswith('CMD ["healthy"]')
    assert only("ENTRYPOINT") == '["start"]'


class Healthy(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200 if self.path == "/loops/_stcore/health" else 404)
        self.end_headers()
        self.wfile.write(b"ok")

    def log_message(self, *_: object) -> None:
        """Says nothing."""


def test_health_is_asked_below_the_base_path_and_past_a_proxy(tmp_path: Path) -> None:
    with ThreadingHTTPServer(("127.0.0.1", 0), Healthy) as server, socket.socket() as nobody:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        nobody.bind(("127.0.0.1", 0))  # and does not listen
        asking = tmp_path / "healthy"
        asking.write_text((ROOT / "deploy" / "healthy").read_text().replace(":8501/", f":{server.server_port}/"))
        proxy = f"http://127.0.0.1:{nobody.getsockname()[1]}"
        own = {name: value for name, value in os.environ.items() if name.lower() != "no_proxy"}
        own |= {"http_proxy": proxy, "STREAMLIT_SERVER_BASE_URL_PATH": "loops"}
        done = subprocess.run(["sh", str(asking)], check=False, env=own, capture_output=True, text=True, timeout=60)
        server.shutdown()
    assert done.returncode == 0, done.stderr


COMPOSED = yaml.safe_load((ROOT / "compose.yaml").read_text())["services"]


def test_the_composed_image_is_the_dockerfiles_with_the_cluster() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    defaults = dict(rest.split("=", 1) for word, rest in STEPS if word == "ARG")
    for service in COMPOSED.values():
        assert (ROOT / service["build"]["context"] / "Dockerfile").resolve() == ROOT / "Dockerfile"
        given = service["build"]["args"]
        assert set(given) <= set(defaults), "the Dockerfile takes no other arguments"
        assert set(given["EXTRAS"].split(",")) == {"app", "cluster"} <= set(project["optional-dependencies"])
        assert service["read_only"] and service["tmpfs"] == "/tmp"
    assert any(".[$EXTRAS]" in rest for word, rest in STEPS if word == "RUN") and defaults["EXTRAS"] == "app"


def test_composed_workers_see_what_the_app_sees_and_find_the_scheduler() -> None:
    worker, app, scheduler = (COMPOSED[name] for name in ("worker", "app", "scheduler"))
    assert worker["volumes"] == app["volumes"]
    assert {volume.split(":")[1 + volume.startswith("${")] for volume in app["volumes"]} == set(
        json.loads(only("VOLUME"))
    )
    port = scheduler["entrypoint"][scheduler["entrypoint"].index("--port") + 1]
    address = f"tcp://scheduler:{port}"
    assert app["environment"] == {CLUSTER_VARIABLE: address} and address in worker["entrypoint"]
    assert [name for name, service in COMPOSED.items() if "ports" in service] == ["app"], "nobody else is reached"
    assert app["ports"][0].endswith(f":{only('EXPOSE')}") and app["ports"][0].startswith("127.0.0.1:")
    assert "healthcheck" not in app and {"healthcheck"} <= worker.keys() & scheduler.keys(), "nobody else has a page"


@pytest.mark.parametrize("name", ["scheduler", "worker"])
def test_composed_commands_are_those_that_dask_has(name: str) -> None:
    program, command, *arguments = COMPOSED[name]["entrypoint"]
    dask = pytest.importorskip("distributed.cli.dask_" + command, reason="the Dask engine is optional").main
    assert (program, command) == ("dask", name)
    assert dask.make_context(name, arguments).params["dashboard"] is False, "it takes every one of the options"


def test_tools_have_the_versions_that_are_locked() -> None:
    text = (ROOT / "Dockerfile").read_text()
    locked = (ROOT / "requirements-dev.txt").read_text()
    for pin in re.findall(r"\S+==\S+", text):
        assert re.search(rf"^{re.escape(pin)}$", locked, re.MULTILINE)


@pytest.mark.parametrize("name", ["deploy/start", "deploy/healthy", ".ci/image"])
def test_scripts_are_executable_and_whole(name: str) -> None:
    file = ROOT / name
    assert file.stat().st_mode & 0o111 == 0o111
    if file.read_text().startswith("#!/bin/sh"):
        subprocess.run(["sh", "-n", file], check=True)
