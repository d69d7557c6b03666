"""``contract.yaml``: what a device may send and what of it leaves. See ``docs/contracts.md``.

A site's ``default-contract.yaml`` says what holds where a profile's contract is silent. A
contract in force is named by the bytes of both.

A contract that contradicts itself is refused rather than read in the safe direction: its
author believes that something leaves, or that something is bounded, and is wrong.
"""

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from gateway.fleet.document import Block, read
from gateway.fleet.findings import Finding, Unusable, shown
from gateway.fleet.mechanism import class_rules, default_rules
from gateway.fleet.shape import Sheet
from gateway.model.contract import (
    AlertRule,
    Contract,
    ContractInForce,
    DefaultContract,
    FieldRule,
    ResultRule,
)

FIELD_NAME: Final = re.compile(r"[a-z][a-z0-9_]{0,47}")
EXACT_MAX: Final = 2**53 - 1  # what leaves is cut to it: beyond, readers round

_ALERT: Final = AlertRule()
_RESULT: Final = ResultRule()
_MAX_CHARS: Final = FieldRule("string", ("alert",)).max_chars


@dataclass(frozen=True, slots=True)
class SiteDefault:
    """A usable ``default-contract.yaml``: what it says, and its very bytes."""

    blocks: Block
    content: bytes


NO_DEFAULT: Final = SiteDefault({}, b"")


def parse_default(
    text: str | bytes, file: str, _folder: str | None = None
) -> SiteDefault | Unusable:
    """Return the site's default contract, or everything that is wrong with it."""
    document = read(
        text, file, DefaultContract, lambda sheet: [*class_rules(sheet), *default_rules(sheet)]
    )
    if isinstance(document, Unusable):
        return document
    blocks: Block = {
        name: block for name, block in document.plain.items() if isinstance(block, dict)
    }
    return SiteDefault(blocks, text.encode() if isinstance(text, str) else text)


def parse_contract(
    text: str | bytes, file: str, folder: str | None = None, above: SiteDefault = NO_DEFAULT
) -> ContractInForce | Unusable:
    """Return the contract in force, or everything that is wrong with it.

    ``file`` is only named in findings. With ``folder`` the contract must have its name.
    ``above`` holds where ``text`` is silent.
    """
    document = read(text, file, Contract, lambda sheet: _rules(sheet, folder), above.blocks)
    if isinstance(document, Unusable):
        return document
    content = text.encode() if isinstance(text, str) else text
    return ContractInForce(document.value, digest_of(content, above))


def digest_of(content: bytes, above: SiteDefault = NO_DEFAULT) -> str:
    """Return the SHA-256 of a contract's bytes; of the default's, a zero byte and those, if any."""
    whole = above.content + b"\0" + content if above.content else content
    return hashlib.sha256(whole).hexdigest()


def contract_notes(
    text: str | bytes, file: str, above: SiteDefault = NO_DEFAULT
) -> tuple[Finding, ...]:
    """Return what a usable contract lets out row by row; nothing for another."""
    document = read(text, file, Contract, lambda _: (), above.blocks)
    return () if isinstance(document, Unusable) else tuple(_notes(document.sheet))


def _rules(sheet: Sheet, folder: str | None) -> Iterator[Finding]:
    name = sheet.get("name")
    if isinstance(name, str) and folder is not None and name != folder:
        yield sheet.finding(
            ("name",),
            f"expected the name of its profile, '{folder}', got '{name}': correct it",
        )
    yield from class_rules(sheet)
    yield from _alert_rules(sheet)
    for field in sheet.keys("fields"):
        yield from _field_rules(sheet, field)


def _alert_rules(sheet: Sheet) -> Iterator[Finding]:
    path = ("alert", "picture_leaves")
    if sheet.get(*path, default=_ALERT.picture_leaves) is not True:
        return
    if sheet.get("alert", "leaves", default=_ALERT.leaves) is False:
        yield sheet.finding(
            path,
            "expected alert.leaves: true beside picture_leaves: true, got false: a picture leaves "
            "only with its alert; set both, or keep the picture",
        )
    for bound in ("picture_max_bytes", "picture_max_pixels"):
        if sheet.get("alert", bound) == 0:
            yield sheet.finding(
                ("alert", bound),
                "expected more than 0 beside picture_leaves: true, got 0: no picture would fit; "
                "set a bound or picture_leaves: false",
            )


def _field_rules(sheet: Sheet, field: str) -> Iterator[Finding]:
    path = ("fields", field)
    if FIELD_NAME.fullmatch(field) is None:
        yield sheet.finding(
            path,
            "expected a name of 1 to 48 of a-z, 0-9 and '_', beginning with a letter, got "
            f"{shown(field)}: rename the field",
        )
    kind = sheet.get(*path, "type")
    senseless = {"string": ("minimum", "maximum", "scale"), "number": ("max_chars", "words")}
    for key in senseless.get(kind, ()) if isinstance(kind, str) else ():
        if sheet.given(*path, key):
            yield sheet.finding(
                (*path, key),
                f"expected no {key} for a {kind}, got one: remove it, or correct the type",
            )
    yield from _range_rules(sheet, field)
    yield from _word_rules(sheet, field)
    if sheet.get(*path, "leaves") is True and not _leaves_with_items(sheet, field):
        yield sheet.finding(
            (*path, "leaves"),
            "expected a class of items that leaves (alert with alert.leaves, result with "
            "result.rows_leave), got none: nothing would leave; open such a class, or write "
            "leaves: false",
        )


def _range_rules(sheet: Sheet, field: str) -> Iterator[Finding]:
    if (
        sheet.get("fields", field, "type") == "number"
        and sheet.get("fields", field, "leaves") is True
    ):
        for key in ("minimum", "maximum"):
            if sheet.get("fields", field, key) is None:
                yield sheet.finding(
                    ("fields", field, key),
                    "expected a number, because the field leaves as a whole number of bounded "
                    f"size, got none: add {key}",
                )
    minimum = sheet.get("fields", field, "minimum")
    maximum = sheet.get("fields", field, "maximum")
    if isinstance(minimum, int | float) and isinstance(maximum, int | float) and minimum > maximum:
        yield sheet.finding(
            ("fields", field, "minimum"),
            f"expected at most the maximum, {maximum}, got {minimum}: exchange or correct them",
        )
    scale = sheet.get("fields", field, "scale")
    if not isinstance(scale, int):
        return
    for key, bound in (("minimum", minimum), ("maximum", maximum)):
        if isinstance(bound, int | float) and abs(bound) * scale > EXACT_MAX:
            yield sheet.finding(
                ("fields", field, key),
                f"expected {key} times scale within 2^53, got {bound} times {scale}: lower one "
                "of them",
            )


def _word_rules(sheet: Sheet, field: str) -> Iterator[Finding]:
    words = sheet.get("fields", field, "words")
    most = sheet.get("fields", field, "max_chars", default=_MAX_CHARS)
    if not isinstance(words, list) or not isinstance(most, int):
        return
    for word in words:
        if isinstance(word, str) and len(word) > most:
            yield sheet.finding(
                ("fields", field, "words"),
                f"expected words of at most max_chars, {most}, got {shown(word)}: no device could "
                "say it; shorten it, or raise max_chars",
            )


def _leaves_with_items(sheet: Sheet, field: str) -> bool:
    """Tell whether a class of items that may carry the field leaves as rows; in doubt, yes."""
    items = sheet.get("fields", field, "items")
    if not isinstance(items, list):
        return True  # wrong, and reported as such
    alerts = sheet.get("alert", "leaves", default=_ALERT.leaves)
    results = sheet.get("result", "rows_leave", default=_RESULT.rows_leave)
    return ("alert" in items and alerts is not False) or (
        "result" in items and results is not False
    )


def default_notes(text: str | bytes, file: str) -> tuple[Finding, ...]:
    """Return what a usable default contract's owner should know; nothing for another."""
    document = read(text, file, DefaultContract, lambda _: ())
    return () if isinstance(document, Unusable) else tuple(_aggregate_notes(document.sheet))


def _aggregate_notes(sheet: Sheet) -> Iterator[Finding]:
    for each in ("result", "metric"):
        if sheet.given(each, "mechanism") and sheet.get(each, "mechanism") == "aggregate-dp":
            yield sheet.finding(
                (each, "mechanism"),
                "this release does not make aggregates yet: until one does, nothing of this class "
                "leaves the site",
            )


def _notes(sheet: Sheet) -> Iterator[Finding]:
    yield from _aggregate_notes(sheet)
    alerts = sheet.get("alert", "leaves", default=_ALERT.leaves)
    if sheet.get("result", "mechanism") == "aggregate-dp" and alerts is True:
        yield sheet.finding(
            ("result", "mechanism"),
            "alerts leave row by row: what of the results an alert tells is not protected by "
            "the noise of aggregates, and must not be called so",
        )
    if sheet.get("result", "rows_leave") is True:
        yield sheet.finding(
            ("result", "rows_leave"),
            "every single result leaves the site: this is not differentially private",
        )
    if sheet.get("alert", "picture_leaves") is True:
        yield sheet.finding(
            ("alert", "picture_leaves"),
            "pictures leave the site: make sure that no person can be on them",
        )
    for field in sheet.keys("fields"):
        path = ("fields", field)
        told = sheet.get(*path, "leaves") is True and sheet.get(*path, "type") == "string"
        if told and not sheet.get(*path, "words"):
            yield sheet.finding(
                (*path, "leaves"),
                "free text leaves the site: make sure that it can never name a person",
            )
