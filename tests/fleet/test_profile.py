"""Mistakes in a profile: each is named with line and field, and all of them in one run."""

import pytest

from gateway.fleet.findings import Unusable
from gateway.fleet.profile import parse_profile, profile_notes
from gateway.model.profile import Profile

GOOD = """\
name: my-board
hardware:
  cpu: ARM Cortex-A53 @ 1.5GHz
  cores: 4
  ram_mb: 2048
  accelerator: null
  storage_gb: 16
capabilities:
  - ocr
constraints:
  max_model_size_mb: 500
  max_inference_time_ms: 200
  power_budget_watts: 15
security:
  secure_boot: true
  tpm: true
trust: attested
verifies: tuf-full
"""
NAME = "a name of 1 to 63 of a-z, 0-9 and '-', beginning with a letter or digit"
UNCLEAR = "which YAML readers understand in different ways"


def wrong(text: str, folder: str | None = None) -> list[str]:
    result = parse_profile(text, "profile.yaml", folder)
    assert isinstance(result, Unusable), result
    return [str(finding).removeprefix("profile.yaml:") for finding in result.findings]


def test_a_good_profile_is_read() -> None:
    profile = parse_profile(GOOD, "profile.yaml", "my-board")
    assert isinstance(profile, Profile)
    assert profile.hardware.cores == 4
    assert profile.hardware.accelerator is None
    assert profile_notes(GOOD, "profile.yaml") == ()


def test_bytes_are_read_like_text() -> None:
    assert parse_profile(GOOD.encode(), "f") == parse_profile(GOOD, "f")


@pytest.mark.parametrize(
    ("line", "instead", "finding"),
    [
        (
            "  cores: 4",
            "  cores: four",
            (
                "4: hardware.cores: expected a whole number from 1 to 1024, got the text 'four': "
                "write a decimal number without unit and quotes"
            ),
        ),
        (
            "  cores: 4",
            "  cores: 4.0",
            (
                "4: hardware.cores: expected a whole number from 1 to 1024, got 4.0: "
                "correct the number"
            ),
        ),
        (
            "  cores: 4",
            "  cores: true",
            (
                "4: hardware.cores: expected a whole number from 1 to 1024, got true: "
                "write a decimal number without unit and quotes"
            ),
        ),
        (
            "  cores: 4",
            "  cores: 1025",
            (
                "4: hardware.cores: expected a whole number from 1 to 1024, got 1025: "
                "correct the number"
            ),
        ),
        (
            "  cores: 4",
            "  cores: 010",
            (
                f"4: hardware.cores: expected a whole number from 1 to 1024, got '010', {UNCLEAR}: "
                "write a decimal number without unit and quotes"
            ),
        ),
        (
            "  ram_mb: 2048",
            "  ram_mb: 0",
            "5: hardware.ram_mb: expected a number greater than 0, got 0: correct the number",
        ),
        (
            "  ram_mb: 2048",
            '  ram_mb: "2048"',
            (
                "5: hardware.ram_mb: expected a number greater than 0, got the text '2048': "
                "write a decimal number without unit and quotes"
            ),
        ),
        (
            "  ram_mb: 2048",
            "  ram_mb: {exactly: 2048}",
            (
                "5: hardware.ram_mb: expected a number greater than 0, got a block of keys: "
                "write a decimal number without unit and quotes"
            ),
        ),
        (
            "  ram_mb: 2048",
            "  ram_mb: [1]",
            (
                "5: hardware.ram_mb: expected a number greater than 0, got a list: "
                "write a decimal number without unit and quotes"
            ),
        ),
        (
            "  ram_mb: 2048",
            "  ram_mb: 2048\n  ram: 2048",
            (
                "6: hardware.ram: expected one of cpu, cores, ram_mb, accelerator, storage_gb, got "
                "an unknown key: correct its spelling or remove it"
            ),
        ),
        (
            "  accelerator: null",
            "  accelerator: none",
            (
                "6: hardware.accelerator: expected the accelerator's name or null, got 'none': "
                "write null for none"
            ),
        ),
        (
            "  accelerator: null",
            "  accelerator: 7",
            (
                "6: hardware.accelerator: expected text or null, got 7: write text, in quotes "
                "where it looks like something else"
            ),
        ),
        (
            "  - ocr",
            "  []",
            (
                f"9: capabilities: expected a list of 1 to 32 entries, each {NAME}, got 0 entries: "
                "add or remove some"
            ),
        ),
        (
            "  - ocr",
            "  - ocr\n  - OCR",
            f"10: capabilities[1]: expected {NAME}, got the text 'OCR': correct the text",
        ),
        (
            "  - ocr",
            "  - ocr\n  - ocr",
            "10: capabilities[1]: expected each entry once, got it again: remove one of them",
        ),
        (
            "  tpm: true",
            "  tpm: yes",
            (
                f"16: security.tpm: expected true or false, got 'yes', {UNCLEAR}: "
                "write true or false without quotes"
            ),
        ),
        (
            "  tpm: true",
            "  tpm: true\n  tpm: true",
            (
                "17: security.tpm: expected each key once, got it again (first on line 16): "
                "remove one of them"
            ),
        ),
        (
            "  tpm: true",
            "  tpm: true\n  ? [tpm]\n  : true",
            "17: security: expected a word as key, got a list: write 'key: value'",
        ),
        (
            "  tpm: true",
            "  tpm: false",
            (
                "17: trust: expected key-only for a board without TPM, got attested: only a TPM "
                "can quote what the board started; write trust: key-only, or security.tpm: true if "
                "there is one"
            ),
        ),
        (
            "trust: attested",
            "trust: blind",
            "17: trust: expected attested or key-only, got the text 'blind': choose one of them",
        ),
        (
            "name: my-board",
            "name: My Board",
            f"1: name: expected {NAME}, got the text 'My Board': correct the text",
        ),
        (
            "name: my-board",
            "name:",
            (
                f"1: name: expected {NAME}, got nothing: write text, in quotes where it looks like "
                "something else"
            ),
        ),
        (
            "  cpu: ARM Cortex-A53 @ 1.5GHz",
            '  cpu: "ARM\\e[2J"',
            (
                "3: hardware.cpu: expected text of 1 to 120 printable characters, got the text "
                r"'ARM\x1b[2J': correct the text"
            ),
        ),
    ],
)
def test_a_mistake_is_named_with_line_and_field(line: str, instead: str, finding: str) -> None:
    assert f"{line}\n" in GOOD
    assert wrong(GOOD.replace(f"{line}\n", f"{instead}\n", 1)) == [finding]


def test_a_missing_key_is_named_on_the_line_of_what_lacks_it() -> None:
    assert wrong(GOOD.replace("  ram_mb: 2048\n", "")) == [
        "2: hardware.ram_mb: expected a number greater than 0, got no such key: add 'ram_mb:' here"
    ]


def test_a_missing_block_is_one_finding() -> None:
    text = GOOD.replace("security:\n  secure_boot: true\n  tpm: true\n", "")
    assert wrong(text) == [
        "1: security: expected keys (secure_boot, tpm), got no such key: add 'security:' here"
    ]


def test_an_emptied_block_is_one_finding() -> None:
    text = GOOD.replace("  secure_boot: true\n  tpm: true\n", "")
    assert wrong(text) == [
        (
            "14: security: expected keys (secure_boot, tpm), got nothing: "
            "write one indented 'key: value' a line"
        )
    ]


def test_a_list_instead_of_a_profile_is_one_finding() -> None:
    (finding,) = wrong("- 1\n- 2\n")
    assert finding.startswith("1: expected keys (name, hardware, capabilities, constraints, ")


def test_all_mistakes_of_a_file_are_found_in_one_run() -> None:
    text = (
        GOOD.replace("cores: 4", "cores: 0")
        .replace("ram_mb", "memory")
        .replace("tpm: true", "tpm: false")
        .replace("verifies: tuf-full", "verifies: hope")
    )
    fields = [finding.split(": ")[1] for finding in wrong(text, "other-board")]
    assert fields == [
        "name",
        "hardware.ram_mb",
        "hardware.cores",
        "hardware.memory",
        "trust",
        "verifies",
    ]


def test_a_profile_must_have_the_name_of_its_folder() -> None:
    assert wrong(GOOD, "their-board") == [
        (
            "1: name: expected the name of its folder, 'their-board', got 'my-board': "
            "rename one of them"
        )
    ]


def test_firmware_that_nobody_checks_is_allowed_and_noted() -> None:
    text = GOOD.replace("verifies: tuf-full", "verifies: none")
    assert isinstance(parse_profile(text, "profile.yaml"), Profile)
    assert [str(note) for note in profile_notes(text, "profile.yaml")] == [
        (
            "profile.yaml:18: verifies: nobody on the device checks a firmware before it runs, so "
            "the gateway never offers it one"
        )
    ]


def test_a_tpm_that_is_not_asked_is_allowed_and_noted() -> None:
    text = GOOD.replace("trust: attested", "trust: key-only")
    assert [str(note) for note in profile_notes(text, "profile.yaml")] == [
        (
            "profile.yaml:17: trust: the board has a TPM that is not asked: its devices are "
            "trusted by certificate alone"
        )
    ]


def test_an_unusable_profile_has_findings_and_no_notes() -> None:
    assert profile_notes("verifies: none", "profile.yaml") == ()
