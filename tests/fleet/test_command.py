"""``site-gateway profile``, run as a process of its own would run it."""

import argparse
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from gateway.cli.profile import add_parser

ROOT = Path(__file__).parents[2]
SHIPPED = ROOT / "firmware-profiles"

# The program as the command alone needs it: any shell around it only adds other commands.
PROGRAM = f"""
import argparse, sys
sys.path.insert(0, {str(ROOT)!r})
from gateway.cli import profile
parser = argparse.ArgumentParser("site-gateway")
profile.add_parser(parser.add_subparsers(required=True))
arguments = parser.parse_args()
sys.exit(arguments.run(arguments))
"""


def run(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", PROGRAM, "profile", *arguments]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)


@pytest.fixture
def broken(tmp_path: Path) -> Path:
    """A folder with one profile that has two mistakes."""
    folder = tmp_path / "profiles"
    shutil.copytree(SHIPPED / "virtual-camera", folder / "virtual-camera")
    path = folder / "virtual-camera/profile.yaml"
    path.write_text(path.read_text().replace("cores: 1", "cores: one").replace("trust:", "tryst:"))
    return folder


def test_the_shipped_profiles_are_checked_when_nobody_says_which(tmp_path: Path) -> None:
    done = run("check", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.endswith("21 files, 0 findings: usable\n")
    assert "virtual-camera/contract.yaml:23: result.rows_leave: " in done.stdout


def test_each_finding_is_a_line_with_file_line_and_field(broken: Path) -> None:
    done = run("check", "profiles", cwd=broken.parent)
    assert done.returncode == 2
    lines = done.stdout.splitlines()
    place = "profiles/virtual-camera/profile.yaml"
    assert lines[0].startswith(f"{place}:1: trust: expected attested or key-only, got no such key")
    assert lines[1].startswith(f"{place}:6: hardware.cores: expected a whole number from 1 to 1024")
    assert lines[2].startswith(f"{place}:20: tryst: expected one of name, hardware, ")
    assert lines[-1] == "2 files, 3 findings: not usable"


def test_findings_are_one_json_object_for_programs(broken: Path) -> None:
    done = run("check", "--json", "profiles", cwd=broken.parent)
    assert done.returncode == 2
    document = json.loads(done.stdout)
    assert set(document) == {"ok", "files", "findings", "notes"}
    assert document["ok"] is False
    assert document["files"] == [
        "profiles/virtual-camera/profile.yaml",
        "profiles/virtual-camera/contract.yaml",
    ]
    assert document["findings"][1] == {
        "file": "profiles/virtual-camera/profile.yaml",
        "line": 6,
        "field": "hardware.cores",
        "message": "expected a whole number from 1 to 1024, got the text 'one': "
        "write a decimal number without unit and quotes",
    }


def test_several_paths_are_checked_together(broken: Path) -> None:
    done = run("check", str(SHIPPED / "factory-camera-v2"), "profiles", cwd=broken.parent)
    assert done.returncode == 2
    assert done.stdout.endswith("5 files, 3 findings: not usable\n")


def test_the_configuration_says_where_profiles_are(broken: Path) -> None:
    config = broken.parent / "site/gateway.toml"
    config.parent.mkdir()
    config.write_text('[site]\nprofiles_dir = "../profiles"\n')
    done = run("check", "--config", "site/gateway.toml", cwd=broken.parent)
    assert done.returncode == 2
    assert "site/../profiles/virtual-camera/profile.yaml:6: hardware.cores: " in done.stdout


@pytest.mark.parametrize("text", ["site = [", "[site]\n", "site = 1\n", "\xff", None])
def test_a_configuration_that_does_not_say_is_a_finding(tmp_path: Path, text: str | None) -> None:
    if text is not None:
        (tmp_path / "gateway.toml").write_bytes(text.encode("latin-1"))
    done = run("check", "--config", "gateway.toml", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (2, "")
    assert done.stdout.startswith("gateway.toml: site.profiles_dir: expected a readable ")


def test_the_list_names_every_profile(tmp_path: Path) -> None:
    done = run("list", cwd=tmp_path)
    assert done.returncode == 0
    lines = done.stdout.splitlines()
    assert lines[0].split() == ["NAME", "TRUST", "VERIFIES", "CORES", "RAM", "MB", "ACCELERATOR"]
    assert lines[1].split() == [
        "factory-camera-v2",
        "attested",
        "tuf-full",
        "4",
        "2048",
        "Edge",
        "TPU",
    ]
    assert len(lines) == 11


def test_the_list_for_programs_has_every_key_and_the_contracts_digest(tmp_path: Path) -> None:
    profiles = json.loads(run("list", "--json", cwd=tmp_path).stdout)["profiles"]
    camera = profiles[0]
    assert camera["name"] == "factory-camera-v2"
    assert camera["hardware"]["accelerator"] == "Edge TPU"
    assert len(camera["contract_sha256"]) == 64


def test_the_list_says_what_it_could_not_list(broken: Path) -> None:
    done = run("list", "profiles", cwd=broken.parent)
    assert done.returncode == 2
    assert len(done.stdout.splitlines()) == 1
    assert "profile.yaml:6: hardware.cores: " in done.stderr


def test_a_config_before_the_noun_is_not_forgotten() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--config", type=Path)
    add_parser(parser.add_subparsers())
    before = parser.parse_args(["--config", "a.toml", "profile", "check"])
    after = parser.parse_args(["profile", "check", "--config", "a.toml"])
    assert before.config == after.config == Path("a.toml")


def test_a_verb_is_demanded(tmp_path: Path) -> None:
    done = run(cwd=tmp_path)
    assert done.returncode == 2
    assert "VERB" in done.stderr
