"""The container's files hold together: what they name is there. They are read here, not built."""

from __future__ import annotations

import json
import re
import shlex
import tomllib
from fnmatch import fnmatch
from inspect import signature
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from harness.cli.browse import dashboard
from harness.cli.program import app

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
SCRIPTS = {"harness": "harness", "mlflow": "mlflow"}
"""Programs that the files start, and the package that brings each."""


def instructions() -> list[tuple[str, str]]:
    """Return the Dockerfile's instructions, continued lines joined."""
    lines = (ROOT / "Dockerfile").read_text().splitlines()
    text = "\n".join(line for line in lines if not line.startswith("#"))
    joined = re.sub(r"\\\n\s*", " ", text)
    pairs = [line.split(maxsplit=1) for line in joined.splitlines() if line.strip()]
    return [(word, rest) for word, rest in pairs]


def of(word: str) -> list[str]:
    return [rest for name, rest in instructions() if name == word]


@pytest.fixture
def compose() -> dict[str, Any]:
    found: dict[str, Any] = YAML(typ="safe", pure=True).load((ROOT / "compose.yaml").read_text())
    return found


def test_what_is_copied_is_there_and_not_ignored() -> None:
    allowed = {
        line[1:]
        for line in (ROOT / ".dockerignore").read_text().splitlines()
        if line.startswith("!") and "/" not in line
    }
    copied = {name for rest in of("COPY") for name in rest.split()[:-1]}
    assert copied == allowed
    assert len(copied) == 9
    for name in copied:
        assert (ROOT / name).exists(), name
    for name in PROJECT["license-files"] + [PROJECT["readme"]]:
        assert name.split("/")[0] in copied
    hidden = sorted((ROOT / "dashboard").rglob(".streamlit"))
    assert [f"!{file.relative_to(ROOT).as_posix()}" for file in hidden] == [
        line for line in (ROOT / ".dockerignore").read_text().splitlines() if ".streamlit" in line
    ]
    wheel = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["build"]
    assert set(wheel["targets"]["wheel"]["force-include"]) <= copied


def test_the_extras_that_are_installed_exist() -> None:
    (extras,) = [rest.partition("=")[2] for rest in of("ARG") if rest.startswith("EXTRAS")]
    assert set(extras.split(",")) <= set(PROJECT["optional-dependencies"])
    assert any(each.startswith("mlflow") for each in PROJECT["optional-dependencies"]["trackers"])
    assert "trackers" in extras.split(",")


def test_it_runs_as_nobody_special_and_keeps_models_on_a_volume() -> None:
    order = [word for word, _ in instructions()]
    assert of("USER") == ["harness"]
    assert order.index("USER") < order.index("ENTRYPOINT")
    assert any("useradd" in rest and "harness" in shlex.split(rest) for rest in of("RUN"))
    assert "/models" in json.loads(of("VOLUME")[0])
    assert "HF_HOME=/models" in of("ENV")[0]


def test_the_program_and_its_health_check_are_commands_of_ours() -> None:
    commands = {
        command.name or command.callback.__name__
        for command in app.registered_commands
        if command.callback
    }
    assert json.loads(of("ENTRYPOINT")[0]) == ["harness"]
    assert "harness" in PROJECT["scripts"]
    program, verb, kind = json.loads(of("HEALTHCHECK")[0].partition("CMD")[2])
    assert program == "harness"
    assert verb.rstrip("_") in {name.rstrip("_") for name in commands}
    assert kind == "recipes"


def test_ports_are_those_that_the_programs_listen_on(compose: dict[str, Any]) -> None:
    from harness.cli.make import serve

    exposed = {int(port) for port in of("EXPOSE")[0].split()}
    assert exposed == {signature(each).parameters["port"].default for each in (dashboard, serve)}
    for name in ("dashboard", "mlflow"):
        service = compose["services"][name]
        (mapping,) = service["ports"]
        host, outside, inside = mapping.split(":")
        assert host == "127.0.0.1"
        assert outside == inside
        assert any(word.endswith(f"port={inside}") for word in service["command"])
        assert f":{inside}/" in service["healthcheck"]["test"][-1]


def test_what_compose_starts_is_in_the_image(compose: dict[str, Any]) -> None:
    services = compose["services"]
    assert set(services) == {"dashboard", "mlflow", "work"}
    verb, *flags = services["dashboard"]["command"]
    assert "entrypoint" not in services["dashboard"], "the image's own: harness"
    assert verb in {each.callback.__name__ for each in app.registered_commands if each.callback}
    known = signature(dashboard).parameters
    assert {flag.removeprefix("--").partition("=")[0] for flag in flags} <= set(known)
    assert of("WORKDIR")[0] == "/opt/harness"
    assert services["mlflow"]["entrypoint"][0] in SCRIPTS
    for service in services.values():
        assert service["image"] == "harness"
        for volume in service["volumes"]:
            assert volume.partition(":")[0] in compose["volumes"]


def test_no_file_names_an_index_or_a_registry() -> None:
    for name in ("Dockerfile", "compose.yaml", ".dockerignore"):
        text = (ROOT / name).read_text()
        hosts = re.findall(r"\w+://([^/\s\"':]+)", text)
        assert set(hosts) <= {"127.0.0.1", "mlflow"}, name
        for image in re.findall(r"^FROM (\S+)|^\s*image: (\S+)", text, re.MULTILINE):
            assert "." not in "".join(image).partition(":")[0]


def test_secrets_and_stores_stay_out_of_the_image() -> None:
    lines = [
        line
        for line in (ROOT / ".dockerignore").read_text().splitlines()
        if line and not line.startswith("#")
    ]
    assert lines[0] == "*"
    hidden = [line.removeprefix("**/") for line in lines if line.startswith("**/")]
    for name in (".env", ".git", ".harness", "__pycache__"):
        assert any(fnmatch(name, pattern) for pattern in hidden)
