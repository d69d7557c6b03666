"""What stands between a class and the world: contradictions in how a contract says it. Pure.

A contract declares sensitivity, openness and mechanism of each class. They must tell one
story: who reads "aggregate-dp" must not meet rows, and who reads "high" no way out.
"""

from collections.abc import Iterator
from typing import Final, Literal

import msgspec

from gateway.fleet.findings import Finding
from gateway.fleet.shape import Sheet
from gateway.model.contract import AlertRule, CameraRule, Contract, LogRule, Mechanism, ResultRule

Class = Literal["alert", "result", "metric", "log"]
CLASSES: Final[tuple[Class, ...]] = ("alert", "result", "metric", "log")
OPENER: Final = {"alert": "leaves", "result": "rows_leave", "log": "leaves"}
_OPEN_BY_DEFAULT: Final = {
    "alert": AlertRule().leaves,
    "result": ResultRule().rows_leave,
    "log": LogRule().leaves,
}
_AGGREGATED: Final = ("result", "metric")
_WORD_LISTS: Final = (
    ("alert", "kinds", "kind"),
    ("alert", "labels", "label"),
    ("result", "labels", "label"),
    ("result", "models", "model"),
)
_CAMERA: Final = CameraRule()
_ALERT: Final = AlertRule()


def mechanism(contract: Contract, of: Class) -> Mechanism:
    """Return what stands between a class and the world, also where the contract leaves it out."""
    rows: dict[Class, bool] = {
        "alert": contract.alert.leaves,
        "result": contract.result.rows_leave,
        "metric": False,
        "log": contract.log.leaves,
    }
    declared: dict[Class, Mechanism | msgspec.UnsetType] = {
        "alert": contract.alert.mechanism,
        "result": contract.result.mechanism,
        "metric": contract.metric.mechanism,
        "log": contract.log.mechanism,
    }
    said = declared[of]
    if not isinstance(said, msgspec.UnsetType):
        return said
    return "rows-anonymised" if rows[of] else "none"


def class_rules(sheet: Sheet) -> Iterator[Finding]:
    """Yield what contradicts itself between sensitivity, openness and mechanism."""
    if sheet.get("camera", "leaves") is True:
        yield sheet.finding(
            ("camera", "leaves"),
            "expected false, got true: the camera feed never leaves; to let a part of a frame "
            "leave with its alert, set alert.picture_leaves in the profile's contract",
        )
    for each in CLASSES:
        yield from _sensitivity(sheet, each)
        yield from _mechanism(sheet, each)
    for block, words, column in _WORD_LISTS:
        withheld = sheet.get(block, "withheld")
        if sheet.given(block, words) and isinstance(withheld, list) and column in withheld:
            yield sheet.finding(
                (block, words),
                f"expected no {words} beside a {column} that is withheld, got some: none of them "
                "would leave; remove one of the two",
            )
    yield from _picture(sheet)


def default_rules(sheet: Sheet) -> Iterator[Finding]:
    """Yield what a site's default contract must not decide for every profile at once."""
    for path, what in (
        (("alert", "picture_leaves"), "pictures"),
        (("result", "rows_leave"), "single results"),
    ):
        if sheet.get(*path) is True:
            yield sheet.finding(
                path,
                f"expected false in the site's default, got true: {what} leave only by the "
                "contract of the profile whose devices it concerns; write it there",
            )


def _open(sheet: Sheet, of: Class) -> bool:
    """Tell whether rows of a class leave; of a value that cannot be read, no."""
    if of not in OPENER:
        return False
    return sheet.get(of, OPENER[of], default=_OPEN_BY_DEFAULT[of]) is True


def _sensitivity(sheet: Sheet, of: Class) -> Iterator[Finding]:
    if sheet.get(of, "sensitivity") == "high" and _open(sheet, of):
        yield sheet.finding(
            (of, "sensitivity"),
            f"expected low or medium beside {of}.{OPENER[of]}: true, got high: what is highly "
            f"sensitive does not leave row by row; write {of}.{OPENER[of]}: false, or correct it",
        )


def _mechanism(sheet: Sheet, of: Class) -> Iterator[Finding]:
    declared = sheet.get(of, "mechanism")
    path = (of, "mechanism")
    if _open(sheet, of):
        opener = f"{of}.{OPENER[of]}: true"
        if declared == "none":
            yield sheet.finding(
                path,
                f"expected rows-anonymised beside {opener}, got none: its rows do leave; correct "
                "it, or close the class",
            )
        elif declared == "aggregate-dp":
            yield sheet.finding(
                path,
                f"expected rows-anonymised beside {opener}, got aggregate-dp: what leaves row by "
                "row is not differentially private and must not be called so; correct it, or "
                "close the class",
            )
    elif declared == "rows-anonymised":
        remedy = "metrics never leave as rows; write aggregate-dp or none"
        if of in OPENER:
            remedy = f"no row leaves; write none, or open it with {of}.{OPENER[of]}: true"
        yield sheet.finding(
            path,
            "expected none or aggregate-dp for a class of which no row leaves, got "
            f"rows-anonymised: {remedy}",
        )
    elif declared == "aggregate-dp" and of not in _AGGREGATED:
        yield sheet.finding(
            path,
            f"expected none or rows-anonymised, got aggregate-dp: only {' and '.join(_AGGREGATED)} "
            "are aggregated; correct it",
        )


def _picture(sheet: Sheet) -> Iterator[Finding]:
    if sheet.get("alert", "picture_leaves", default=_ALERT.picture_leaves) is not True:
        return
    most = sheet.get("alert", "picture_max_pixels", default=_ALERT.picture_max_pixels)
    frame = sheet.get("camera", "frame_pixels", default=_CAMERA.frame_pixels)
    share = sheet.get("camera", "picture_share_max", default=_CAMERA.picture_share_max)
    if not (isinstance(most, int) and isinstance(frame, int) and isinstance(share, int | float)):
        return  # wrong, and reported as such
    allowed = int(frame * share)
    if most > allowed:
        yield sheet.finding(
            ("alert", "picture_max_pixels"),
            f"expected at most {allowed}, camera.frame_pixels times camera.picture_share_max, got "
            f"{most}: a larger picture is refused as a frame of the camera feed; lower it, or "
            "state the camera's true size",
        )
