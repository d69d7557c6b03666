"""What an operator can set, and what an operator can be told, stands in the documents."""

import re

import pytest

from tests.architecture.tree import ROOT
from tools.reference import (
    CONFIGURATION,
    MARK,
    PROBLEMS,
    SERVED,
    UNBOUNDED,
    documents,
    keys,
    problems,
    undeclared,
)

# A code leaves the process and is spelled for ever: a new one is added here, none is taken off.
CODES = {
    "camera-frame-refused",
    "clock-doubtful",
    *(
        "alerts-held-back",
        "batches-parked",
        "broker-down",
        "certificate-expires-soon",
        "dead-letters-many",
    ),
    *(
        "data-held-back",
        "device-key-conflict",
        "device-noisy",
        "device-over-share",
        "device-silent",
        "disk-full",
        "disk-read-only",
        "disk-write-failed",
        "queue-key-in-a-file",
        "queue-damaged",
        "restore-unconfirmed",
        "recovery-key-on-site",
    ),
    *("horizon-short", "parking-tripped", "uplink-misconfigured", "uplink-offline"),
}


@pytest.mark.parametrize("name", [CONFIGURATION, PROBLEMS, SERVED])
def test_writing_a_document_anew_changes_nothing(name: str) -> None:
    assert (ROOT / name).read_text(encoding="utf-8") == documents()[name], "make docs"


def test_every_key_of_the_configuration_is_explained() -> None:
    found = keys()
    assert found
    mute = [f"[{key.section}] {key.name}" for key in found if not key.words]
    assert mute == [], "write a docstring below the field in limits.py"
    text = (ROOT / CONFIGURATION).read_text(encoding="utf-8").partition(MARK)[2]
    assert [key.name for key in found if f"| `{key.name}` |" not in text] == []


def test_every_section_that_a_capability_declares_can_be_set() -> None:
    assert undeclared() == [], "compose it in gateway/config.py"


def test_every_number_of_the_configuration_has_bounds() -> None:
    boundless = [f"[{key.section}] {key.name}" for key in keys() if key.allowed == UNBOUNDED]
    assert boundless == [], "a number without bounds: Annotated[..., msgspec.Meta(ge=, le=)]"


def test_every_problem_stands_in_the_documents_with_its_first_action() -> None:
    text = (ROOT / PROBLEMS).read_text(encoding="utf-8").partition(MARK)[2]
    for problem in problems():
        assert f"## {problem.code}\n" in text
        assert problem.action in text
        assert problem.title
        assert problem.cause
        assert problem.action


def test_a_problem_has_one_code_and_keeps_it() -> None:
    codes = [problem.code for problem in problems()]
    assert len(codes) == len(set(codes)), "two problems share a code"
    assert set(codes) == CODES
    assert all(re.fullmatch(r"[a-z]+(-[a-z]+)*", code) for code in codes)
