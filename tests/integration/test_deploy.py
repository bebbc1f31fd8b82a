"""deploy/: what its files copy, run and set exists, and suffices.

Configurations of reverse proxies: tests/faults/test_proxies.py."""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.copies import copy_of
from tests.support.servers import ROOT, live_server

pytestmark = pytest.mark.either_database

UNITS = sorted(path.name for path in (ROOT / "deploy/systemd").iterdir() if path.suffix)
SERVICES = [name for name in UNITS if name.endswith(".service")]
DOCKER = ROOT / "deploy/docker"
DOCKERFILE = (DOCKER / "Dockerfile").read_text().replace("\\\n", " ")
COMPOSE: dict[str, Any] = yaml.safe_load((DOCKER / "compose.yaml").read_text())
#: The highest exposure (of 100, the worst) that `systemd-analyze security` may find.
EXPOSURE = 15
ANALYZE = shutil.which("systemd-analyze")
needs_systemd = pytest.mark.skipif(
    ANALYZE is None, reason="systemd-analyze is not installed"
)


def test_the_dockerfile_copies_what_the_service_needs(
    tmp_path: Path, migrated: str
) -> None:
    """Checked in a directory of only these files."""
    sources = {
        source: target
        for source, target in re.findall(
            r"^COPY (\S+) (\S+)$", DOCKERFILE, re.MULTILINE
        )
    }
    for source, target in sources.items():
        place = tmp_path / target
        if (ROOT / source).is_dir():
            shutil.copytree(
                ROOT / source, place, ignore=shutil.ignore_patterns("__pycache__")
            )
        else:
            shutil.copy(ROOT / source, place)
    sent = (DOCKER / "Dockerfile.dockerignore").read_text()
    assert re.findall(r"^!(.*)$", sent, re.MULTILINE) == sorted(sources)

    done = subprocess.run(
        [sys.executable, "manage.py", "migrate", "--check"],
        cwd=tmp_path,
        env={**os.environ, "DATABASE_URL": migrated},
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stdout + done.stderr


def test_the_dockerfile_installs_as_make_run_does() -> None:
    makefile = (ROOT / "Makefile").read_text()
    target = re.search(
        r"^\.venv/run:.*\n\t\$\(BIN\)/python -m (pip .*)$", makefile, re.MULTILINE
    )
    image = re.search(r"\.venv/bin/python -m (pip .*)$", DOCKERFILE, re.MULTILINE)

    assert target
    assert image
    assert image[1].replace(" --no-cache-dir", "") == target[1]


@pytest.mark.skipif(not shutil.which("hadolint"), reason="hadolint is not installed")
def test_hadolint_finds_nothing() -> None:
    subprocess.run(["hadolint", "Dockerfile"], cwd=DOCKER, check=True)


def test_the_health_check_tells_a_service_that_runs(migrated: str) -> None:
    check = re.search(r"^HEALTHCHECK .* CMD (\[.*\])$", DOCKERFILE, re.MULTILINE)
    assert check
    _, *words = json.loads(check[1])

    def healthy(port: int) -> bool:
        env = {**os.environ, "PORT": str(port)}
        command = [sys.executable, *words]
        return not subprocess.run(
            command, env=env, capture_output=True, check=False
        ).returncode

    with (
        copy_of(migrated) as url,
        live_server(
            url, HTTPS="on", ALLOWED_HOSTS="tasks.example.com", WORKERS="1"
        ) as server,
    ):
        assert healthy(server.port)
    assert not healthy(server.port)


def test_containers_run_without_privileges_on_a_read_only_file_system() -> None:
    assert re.search(r"^USER 10001$", DOCKERFILE, re.MULTILINE)
    for name in ("migrate", "web"):
        service = COMPOSE["services"][name]
        assert service["read_only"] is True
        assert service["cap_drop"] == ["ALL"]
        assert service["security_opt"] == ["no-new-privileges:true"]
        assert service["tmpfs"].startswith("/tmp:")  # in the container


def test_compose_names_only_what_exists() -> None:
    settings = set(
        re.findall(
            r"^(?:# )?([A-Z_]+)=", (ROOT / ".env.example").read_text(), re.MULTILINE
        )
    )
    example = (DOCKER / "example.env").read_text()
    services = COMPOSE["services"]
    used = re.findall(r"\$\{(\w+):\?\}", (DOCKER / "compose.yaml").read_text())

    assert set(used) == set(re.findall(r"^([A-Z_]+)=", example, re.MULTILINE))
    assert services["web"]["environment"].keys() <= settings
    build = services["migrate"]["build"]
    assert (DOCKER / build["context"]).resolve() == ROOT
    assert ROOT / build["dockerfile"] == DOCKER / "Dockerfile"
    for service in services.values():
        for volume in service["volumes"]:
            source = volume.split(":")[0]
            assert source in COMPOSE["volumes"] or (DOCKER / source).is_file()
        assert service.get("depends_on", {}).keys() <= services.keys()


def test_the_example_for_neon_passes_the_checks_for_deployment() -> None:
    lines = re.findall(
        r"^([A-Z_]+)=(.*)$", (DOCKER / "neon.env").read_text(), re.MULTILINE
    )
    env = {name: value or os.environ[name] for name, value in lines}

    done = subprocess.run(
        [sys.executable, "manage.py", "check", "--deploy", "--fail-level=WARNING"],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], **env},
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    assert "-pooler." in env["DATABASE_URL"]
    assert env["DATABASE_DIRECT_URL"] == env["DATABASE_URL"].replace("-pooler", "")


@pytest.mark.parametrize("name", SERVICES)
def test_units_run_commands_that_exist(name: str) -> None:
    unit = (ROOT / "deploy/systemd" / name).read_text()
    run = re.findall(r"/opt/tasks/\.venv/bin/python manage\.py (\w+)", unit)
    code = {path.stem for path in ROOT.glob("*/management/commands/*.py")}

    assert run
    assert set(run) <= code
    assert f"{name.removesuffix('.service')}.timer" in UNITS or "[Install]" in unit
    assert shlex.split("\n".join(re.findall(r"^Exec\w+=(.*)$", unit, re.MULTILINE)))


@needs_systemd
def test_systemd_accepts_the_units(tmp_path: Path) -> None:
    for name in UNITS:
        unit = (ROOT / "deploy/systemd" / name).read_text()
        python = unit.replace("/opt/tasks/.venv/bin/python", sys.executable)
        (tmp_path / name).write_text(python)

    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", *(tmp_path / it for it in UNITS)],
        capture_output=True,
        text=True,
        check=False,
    )

    assert (done.returncode, done.stderr) == (0, "")


@needs_systemd
@pytest.mark.parametrize("name", SERVICES)
def test_units_are_confined(name: str) -> None:
    done = subprocess.run(
        [
            *("systemd-analyze", "security", "--offline=true", "--no-pager"),
            *(f"--threshold={EXPOSURE}", ROOT / "deploy/systemd" / name),
        ],
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stdout + done.stderr
