"""Profiles on disk: what is missing, barred or hostile is a finding, and one stops all."""

import os
import shutil
from pathlib import Path

import pytest

from gateway.fleet.findings import Unusable
from gateway.fleet.folder import PROFILES_MAX, Report, check, read_profiles

SHIPPED = Path(__file__).parents[2] / "firmware-profiles"


@pytest.fixture
def profiles(tmp_path: Path) -> Path:
    """A folder with two good profiles."""
    folder = tmp_path / "profiles"
    for name in ("factory-camera-v2", "virtual-camera"):
        shutil.copytree(SHIPPED / name, folder / name)
    return folder


def findings(path: Path) -> list[str]:
    return [str(each).replace(f"{path}", "P") for each in check(path).findings]


def test_profiles_and_contracts_come_by_name(profiles: Path) -> None:
    catalogue = read_profiles(profiles)
    assert not isinstance(catalogue, Unusable)
    assert list(catalogue) == ["factory-camera-v2", "virtual-camera"]
    profile, contract = catalogue["virtual-camera"]
    assert profile.name == contract.contract.name == "virtual-camera"


def test_one_bad_file_makes_the_folder_unusable(profiles: Path) -> None:
    (profiles / "virtual-camera/contract.yaml").write_text("version: 2\nname: virtual-camera\n")
    result = read_profiles(profiles)
    assert isinstance(result, Unusable)
    assert str(result) == (
        f"{profiles}/virtual-camera/contract.yaml:1: version: expected 1, got 2: write just that"
    )


def test_findings_of_all_files_come_in_one_run(profiles: Path) -> None:
    (profiles / "virtual-camera/contract.yaml").unlink()
    (profiles / "factory-camera-v2/profile.yaml").write_text("")
    (profiles / "factory-camera-v2").rename(profiles / "renamed")
    assert findings(profiles) == [
        "P/renamed/profile.yaml:1: expected keys and values, got an empty file: write its keys",
        (
            "P/renamed/contract.yaml:4: name: expected the name of its profile, 'renamed', got "
            "'factory-camera-v2': correct it"
        ),
        "P/virtual-camera/contract.yaml: expected this file, got none: write it",
    ]


def test_a_folder_of_one_profile_is_checked_under_its_own_name(profiles: Path) -> None:
    report = check(profiles / "virtual-camera")
    assert not report.findings
    assert list(report.catalogue) == ["virtual-camera"]


def test_a_single_file_may_lie_anywhere(profiles: Path, tmp_path: Path) -> None:
    for name in ("profile.yaml", "contract.yaml"):
        copy = shutil.copy(profiles / "virtual-camera" / name, tmp_path / name)
        assert findings(Path(copy)) == []
    other = shutil.copy(profiles / "virtual-camera/profile.yaml", tmp_path / "mine.yaml")
    assert findings(Path(other)) == [
        "P: expected a file named profile.yaml, contract.yaml or default-contract.yaml: name it so"
    ]


def test_an_empty_folder_is_no_folder_of_profiles(tmp_path: Path) -> None:
    assert findings(tmp_path) == [
        (
            "P: expected a folder for each profile, with profile.yaml and contract.yaml, got none: "
            "add one, or correct the path"
        )
    ]


def test_a_path_that_leads_nowhere_is_a_finding(tmp_path: Path) -> None:
    assert findings(tmp_path / "gone") == [
        "P: expected profiles, got nothing there: correct the path"
    ]


def test_files_and_hidden_folders_beside_the_profiles_are_left_alone(profiles: Path) -> None:
    (profiles / "README.md").write_text("for people")
    (profiles / ".git").mkdir()
    assert findings(profiles) == []


def test_a_pipe_instead_of_a_file_does_not_hold_the_gateway_up(profiles: Path) -> None:
    path = profiles / "virtual-camera/profile.yaml"
    path.unlink()
    os.mkfifo(path)
    assert findings(profiles) == [
        "P/virtual-camera/profile.yaml: expected this file, got none: write it"
    ]


def test_a_giant_file_is_not_taken_into_memory(profiles: Path) -> None:
    path = profiles / "virtual-camera/profile.yaml"
    with path.open("wb") as file:
        file.truncate(1 << 40)  # a hole: it takes no space on the disk
    assert findings(profiles) == [
        "P/virtual-camera/profile.yaml:1: expected at most 65536 bytes, got more: shorten the file"
    ]


def test_a_file_that_the_disk_does_not_give_is_a_finding_among_others(profiles: Path) -> None:
    path = profiles / "virtual-camera/profile.yaml"
    path.unlink()
    path.symlink_to("/proc/self/mem")  # a file whose first byte nobody can read
    (profiles / "virtual-camera/contract.yaml").unlink()
    assert findings(profiles) == [
        (
            "P/virtual-camera/profile.yaml: cannot be read (Input/output error): let the gateway's "
            "user read it"
        ),
        "P/virtual-camera/contract.yaml: expected this file, got none: write it",
    ]


def test_a_path_that_the_system_refuses_is_a_finding(tmp_path: Path) -> None:
    assert findings(tmp_path / ("x" * 300)) == [
        "P: cannot be read (File name too long): let the gateway's user read it"
    ]


def test_a_link_to_itself_is_no_file(profiles: Path) -> None:
    path = profiles / "virtual-camera/profile.yaml"
    path.unlink()
    path.symlink_to(path)
    assert findings(profiles) == [
        "P/virtual-camera/profile.yaml: expected this file, got none: write it"
    ]


def test_more_profiles_than_the_bound_are_refused(tmp_path: Path) -> None:
    for number in range(PROFILES_MAX + 1):
        (tmp_path / f"p{number:03}").mkdir()
    assert f"P: expected at most {PROFILES_MAX} profiles, got 257: remove some" in findings(
        tmp_path
    )


def test_a_path_of_odd_bytes_can_still_be_printed(tmp_path: Path) -> None:
    odd = Path(os.fsdecode(os.fsencode(tmp_path) + b"/odd\xff"))
    (finding,) = check(odd).findings
    assert finding.file.endswith(r"/odd\udcff")
    assert finding.file.encode()


def test_reports_of_several_paths_become_one(profiles: Path) -> None:
    report = Report()
    for name in ("factory-camera-v2", "virtual-camera", "gone"):
        report.add(check(profiles / name))
    assert list(report.catalogue) == ["factory-camera-v2", "virtual-camera"]
    assert (len(report.files), len(report.findings), len(report.notes)) == (4, 1, 2)
