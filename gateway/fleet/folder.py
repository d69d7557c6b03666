"""Profiles on disk: one folder a device class, each with ``profile.yaml`` and ``contract.yaml``.

An adapter: it reads bounded pieces of the disk and lets ``profile`` and ``contract`` judge
them. What cannot be read is a finding like any other. Other files beside the two
(vectors, reference values) are left alone.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Final, TypeVar

from gateway.fleet.contract import (
    NO_DEFAULT,
    SiteDefault,
    contract_notes,
    default_notes,
    parse_contract,
    parse_default,
)
from gateway.fleet.findings import Finding, Unusable, unusable
from gateway.fleet.profile import parse_profile, profile_notes
from gateway.fleet.topics import ambiguous, undeclared
from gateway.fleet.tree import TEXT_MAX_BYTES
from gateway.model.contract import ContractInForce
from gateway.model.profile import Profile

PROFILE_FILE: Final = "profile.yaml"
CONTRACT_FILE: Final = "contract.yaml"
DEFAULT_FILE: Final = "default-contract.yaml"
"""Beside the folders of the profiles, and above the contract of each."""
PROFILES_MAX: Final = 256

T = TypeVar("T")
Catalogue = dict[str, tuple[Profile, ContractInForce]]


@dataclass(slots=True)
class Report:
    """What was read at a path. Usable as a whole only when ``findings`` is empty."""

    files: list[str] = field(default_factory=list[str])
    findings: list[Finding] = field(default_factory=list[Finding])
    notes: list[Finding] = field(default_factory=list[Finding])
    catalogue: Catalogue = field(default_factory=Catalogue)
    contracts: dict[str, ContractInForce] = field(default_factory=dict[str, ContractInForce])
    """The usable contracts by their files, also without a usable profile beside them."""

    def add(self, other: "Report") -> None:
        """Take over what was read at another path."""
        self.files += other.files
        self.findings += other.findings
        self.notes += other.notes
        self.catalogue |= other.catalogue
        self.contracts |= other.contracts


def read_profiles(folder: Path) -> Catalogue | Unusable:
    """Return every profile in ``folder`` with its contract, by name, or all findings.

    One bad file makes the whole folder unusable: a gateway that ran with some of its
    profiles would turn the devices of the others away.
    """
    report = check(folder)
    return unusable(report.findings) if report.findings else report.catalogue


def check(path: Path) -> Report:
    """Return what is at ``path``: a folder of profiles, one profile's folder, or one file."""
    report = Report()
    try:
        if path.is_file():
            _check_file(path, report)
        elif not path.is_dir():
            _find(report, path, "expected profiles, got nothing there: correct the path")
        elif (path / PROFILE_FILE).exists() or (path / CONTRACT_FILE).exists():
            above = _default(path.resolve().parent, report)
            if above is not None:
                _check_profile(path, path.resolve().name, report, above)
        else:
            _check_folder(path, report)
    except OSError as error:
        _find_barred(report, path, error)
    return report


def _check_folder(folder: Path, report: Report) -> None:
    inner = sorted(each for each in folder.iterdir() if each.is_dir())
    profiles = [each for each in inner if not each.name.startswith((".", "_"))]
    if not profiles:
        wanted = f"expected a folder for each profile, with {PROFILE_FILE} and {CONTRACT_FILE}"
        _find(report, folder, f"{wanted}, got none: add one, or correct the path")
    if len(profiles) > PROFILES_MAX:
        _find(
            report,
            folder,
            f"expected at most {PROFILES_MAX} profiles, got {len(profiles)}: remove some",
        )
    above = _default(folder, report)
    for each in profiles[:PROFILES_MAX] if above is not None else []:
        _check_profile(each, each.name, report, above or NO_DEFAULT)
    maps = {name: profile for name, (profile, _) in report.catalogue.items() if profile.topics}
    files = {name: _named(folder / name / PROFILE_FILE) for name in maps}
    report.findings += ambiguous(maps, files)


def _default(folder: Path, report: Report) -> SiteDefault | None:
    """Return what holds above the contracts in ``folder``; None where it cannot be used.

    Then nothing below it is judged: a contract means something else without its default.
    """
    path = folder / DEFAULT_FILE
    if not path.exists():
        return NO_DEFAULT
    return _parsed(path, None, parse_default, default_notes, report)


def _check_profile(folder: Path, name: str, report: Report, above: SiteDefault) -> None:
    profile = _parsed(folder / PROFILE_FILE, name, parse_profile, profile_notes, report)
    contract = _parsed(
        folder / CONTRACT_FILE,
        name,
        partial(parse_contract, above=above),
        partial(contract_notes, above=above),
        report,
    )
    if contract is not None:
        report.contracts[_named(folder / CONTRACT_FILE)] = contract
    if profile is not None and contract is not None:
        report.catalogue[name] = profile, contract
        file = _named(folder / PROFILE_FILE)
        report.findings += undeclared(profile, contract.contract, file)


def check_contracts(path: Path) -> Report:
    """Return what the contract at ``path`` says, whatever its name, or those below a folder."""
    report = Report()
    try:
        if path.is_dir():
            report = check(path)
            report.files = [one for one in report.files if not one.endswith(f"/{PROFILE_FILE}")]
            for each in (report.findings, report.notes):
                each[:] = [one for one in each if not one.file.endswith(f"/{PROFILE_FILE}")]
        elif path.name == DEFAULT_FILE:
            _parsed(path, None, parse_default, default_notes, report)
        elif path.exists():
            _check_contract(path, report)
        else:
            _find(report, path, "expected a contract, got nothing there: correct the path")
    except OSError as error:
        _find_barred(report, path, error)
    return report


def _check_file(path: Path, report: Report) -> None:
    """A file alone has no folder whose name it must bear."""
    match path.name:
        case "profile.yaml":
            _parsed(path, None, parse_profile, profile_notes, report)
        case "contract.yaml":
            _check_contract(path, report)
        case "default-contract.yaml":
            _parsed(path, None, parse_default, default_notes, report)
        case _:
            names = f"{PROFILE_FILE}, {CONTRACT_FILE} or {DEFAULT_FILE}"
            _find(report, path, f"expected a file named {names}: name it so")


def _check_contract(path: Path, report: Report) -> None:
    above = _default(path.resolve().parent.parent, report)
    if above is not None:
        parse, notes = partial(parse_contract, above=above), partial(contract_notes, above=above)
        contract = _parsed(path, None, parse, notes, report)
        if contract is not None:
            report.contracts[_named(path)] = contract


def _parsed(
    path: Path,
    folder: str | None,
    parse: Callable[[bytes, str, str | None], T | Unusable],
    notes: Callable[[bytes, str], tuple[Finding, ...]],
    report: Report,
) -> T | None:
    report.files.append(_named(path))
    content = _content(path, report)
    if content is None:
        return None
    parsed = parse(content, _named(path), folder)
    if isinstance(parsed, Unusable):
        report.findings += parsed.findings
        return None
    report.notes += notes(content, _named(path))
    return parsed


def _content(path: Path, report: Report) -> bytes | None:
    """Return at most one byte more than a text may have: the parser then says "too long"."""
    try:
        if not path.is_file():  # a pipe by that name would keep us waiting for ever
            _find(report, path, "expected this file, got none: write it")
            return None
        with path.open("rb") as file:
            return file.read(TEXT_MAX_BYTES + 1)
    except OSError as error:  # the other files are still worth a look
        _find_barred(report, path, error)
        return None


def _find(report: Report, path: Path, message: str) -> None:
    report.findings.append(Finding(_named(path), 0, "", message))


def _find_barred(report: Report, path: Path, error: OSError) -> None:
    _find(report, path, f"cannot be read ({error.strerror}): let the gateway's user read it")


def _named(path: Path) -> str:
    """Return the path as text that can be printed and encoded, whatever bytes it is made of."""
    return str(path).encode("utf-8", "backslashreplace").decode()
