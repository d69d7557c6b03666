"""``profile.yaml``: what a class of devices is made of. ``docs/profiles.md`` explains each key."""

from collections.abc import Iterator
from typing import Final

from gateway.fleet.document import read
from gateway.fleet.findings import Finding, Unusable
from gateway.fleet.shape import Sheet
from gateway.fleet.topics import topic_rules
from gateway.model.profile import Profile

_NO_ACCELERATOR: Final = {"", "-", "n/a", "no", "none"}


def parse_profile(text: str | bytes, file: str, folder: str | None = None) -> Profile | Unusable:
    """Return the profile, or everything that is wrong with it.

    ``file`` is only named in findings. With ``folder`` the profile must have its name.
    """
    document = read(text, file, Profile, lambda sheet: _rules(sheet, folder))
    return document if isinstance(document, Unusable) else document.value


def profile_notes(text: str | bytes, file: str) -> tuple[Finding, ...]:
    """Return what a usable profile allows and its owner should know; nothing for another."""
    document = read(text, file, Profile, lambda _: ())
    return () if isinstance(document, Unusable) else tuple(_notes(document.sheet))


def _rules(sheet: Sheet, folder: str | None) -> Iterator[Finding]:
    name = sheet.get("name")
    if isinstance(name, str) and folder is not None and name != folder:
        yield sheet.finding(
            ("name",),
            f"expected the name of its folder, '{folder}', got '{name}': rename one of them",
        )
    accelerator = sheet.get("hardware", "accelerator")
    if isinstance(accelerator, str) and accelerator.lower() in _NO_ACCELERATOR:
        yield sheet.finding(
            ("hardware", "accelerator"),
            f"expected the accelerator's name or null, got '{accelerator}': write null for none",
        )
    if sheet.get("trust") == "attested" and sheet.get("security", "tpm") is False:
        yield sheet.finding(
            ("trust",),
            "expected key-only for a board without TPM, got attested: only a TPM can quote what "
            "the board started; write trust: key-only, or security.tpm: true if there is one",
        )
    yield from topic_rules(sheet)


def _notes(sheet: Sheet) -> Iterator[Finding]:
    if sheet.get("verifies") == "none":
        yield sheet.finding(
            ("verifies",),
            "nobody on the device checks a firmware before it runs, so the gateway never offers "
            "it one",
        )
    if sheet.get("trust") == "key-only" and sheet.get("security", "tpm") is True:
        yield sheet.finding(
            ("trust",),
            "the board has a TPM that is not asked: its devices are trusted by certificate alone",
        )
    if sheet.given("topics"):
        yield sheet.finding(
            ("topics",),
            "what its devices send is numbered by the gateway and never receipted: a message may "
            "be lost or come twice (docs/topic-maps.md says when)",
        )
