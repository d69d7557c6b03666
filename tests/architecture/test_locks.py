"""What is installed is what was locked: every file by its hash, from no named place."""

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.architecture.tree import ROOT, files, name_of

LOCKS = [path for path in files(".lock") if path.name.startswith("requirements")]
PIN = re.compile(r"(?P<name>[a-z0-9._-]+)==(?P<version>\S+)(?: ; [^\\]+)? \\")
HASH = re.compile(r"    --hash=sha256:[0-9a-f]{64}(?: \\)?")


def pins(path: Path) -> dict[str, set[str]]:
    """Return the versions of each project in a lock; markers choose among several."""
    found: dict[str, set[str]] = {}
    for line in path.read_text().splitlines():
        if (pin := PIN.fullmatch(line)) is not None:
            found.setdefault(canonicalize_name(pin["name"]), set()).add(pin["version"])
    return found


@pytest.mark.parametrize("path", LOCKS, ids=name_of)
def test_every_line_of_a_lock_is_a_pin_or_its_hash(path: Path) -> None:
    odd: list[str] = []
    before = ""
    for line in path.read_text().splitlines():
        if line.startswith("#"):
            continue
        pinned = PIN.fullmatch(line) is not None
        if not pinned and HASH.fullmatch(line) is None:
            odd.append(line)
        if pinned and PIN.fullmatch(before) is not None:
            odd.append(f"no hash: {before}")
        before = line
    assert odd == []
    assert HASH.fullmatch(before), "the last pin has no hash"


def test_no_lock_names_a_place() -> None:
    placed = [name_of(path) for path in files(".lock") if "://" in path.read_text()]
    assert placed == [], "a lock that names a registry works at one site only"


def test_the_run_installs_what_the_tests_ran_on() -> None:
    everything = pins(ROOT / "requirements.lock")
    for name, versions in pins(ROOT / "requirements-run.lock").items():
        assert versions <= everything.get(name, set()), name


@pytest.mark.parametrize(
    ("lock", "extras"),
    [
        ("requirements.lock", ["hil", "dev", "install"]),
        ("requirements-run.lock", ["hil", "install"]),
    ],
)
def test_a_lock_holds_all_that_the_project_asks_for(lock: str, extras: list[str]) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    asked = project["dependencies"] + [
        line for extra in extras for line in project["optional-dependencies"][extra]
    ]
    held = pins(ROOT / lock)
    unmet = [
        line
        for line in asked
        if not (versions := held.get(canonicalize_name(Requirement(line).name), set()))
        or not all(Requirement(line).specifier.contains(version) for version in versions)
    ]
    assert unmet == [], "pyproject.toml changed: make lock"
