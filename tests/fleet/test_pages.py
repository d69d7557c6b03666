"""The pages about profiles and contracts name every key, no other key, and true defaults."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from msgspec import inspect

from gateway.fleet.folder import read_profiles
from gateway.model.contract import Contract
from gateway.model.profile import Profile

ROOT = Path(__file__).parents[2]
PROFILES = (ROOT / "docs/profiles.md").read_text()
CONTRACTS = (ROOT / "docs/contracts.md").read_text()


def keys(kind: inspect.Type, path: str = "") -> Iterator[tuple[str, inspect.Field]]:
    """Yield each key that holds a value, and each block that may have any names."""
    assert isinstance(kind, inspect.StructType)
    for field in kind.fields:
        inner = f"{path}.{field.name}" if path else field.name
        match field.type:
            case inspect.StructType():
                yield from keys(field.type, inner)
            case inspect.DictType(value_type=value):
                yield inner, field
                yield from keys(value, f"{inner}.<name>")
            case _:
                yield inner, field


def table(page: str) -> dict[str, list[str]]:
    """Return the rows of the section "Every key": key -> the other cells."""
    section = page.partition("## Every key\n")[2].partition("\n#")[0]
    rows = re.findall(r"^\| `([^`]+)` \|(.*)\|$", section, re.MULTILINE)
    return {key: [cell.strip() for cell in rest.split("|")] for key, rest in rows}


@pytest.mark.parametrize(
    ("kind", "page"), [(Profile, PROFILES), (Contract, CONTRACTS)], ids=["profile", "contract"]
)
def test_every_key_stands_on_its_page_and_no_other(kind: Any, page: str) -> None:
    described = table(page)
    assert list(described) == [key for key, _ in keys(inspect.type_info(kind))]
    assert all(cells[-1] for cells in described.values()), "a key without a meaning"


def test_the_defaults_on_the_page_are_the_defaults() -> None:
    described = table(CONTRACTS)
    for key, field in keys(inspect.type_info(Contract)):
        default = "required" if field.required else field.default
        if default is msgspec.NODEFAULT and key.endswith(".mechanism"):
            default = "by openness"
        elif default in (msgspec.NODEFAULT, None, ()):
            default = "none"
        assert described[key][1] == str(default).lower(), key


def test_every_value_of_trust_and_verifies_is_explained() -> None:
    section = PROFILES.partition("### `trust`")[2]
    for key, field in keys(inspect.type_info(Profile)):
        if key in {"trust", "verifies"}:
            assert isinstance(field.type, inspect.LiteralType)
            assert [v for v in field.type.values if f"`{v}`" not in section] == []


def test_every_shipped_profile_stands_on_the_page_with_its_trust() -> None:
    catalogue = read_profiles(ROOT / "firmware-profiles")
    assert isinstance(catalogue, dict)
    rows = re.findall(r"^\| `([a-z0-9-]+)` \| .* \| (attested|key-only) \|", PROFILES, re.MULTILINE)
    assert dict(rows) == {name: profile.trust for name, (profile, _) in catalogue.items()}
