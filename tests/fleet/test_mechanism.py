"""What a contract declares of a class and what it does must be one story."""

import pytest

from gateway.fleet.contract import (
    SiteDefault,
    contract_notes,
    default_notes,
    digest_of,
    parse_contract,
    parse_default,
)
from gateway.fleet.findings import Unusable
from gateway.fleet.mechanism import CLASSES, mechanism
from gateway.model.contract import CameraRule, Contract, ContractInForce

HEAD = "version: 1\nname: my-board\n"


def wrong(text: str, above: SiteDefault | None = None) -> list[str]:
    result = (
        parse_contract(HEAD + text, "contract.yaml", "my-board")
        if above is None
        else parse_contract(HEAD + text, "contract.yaml", "my-board", above)
    )
    assert isinstance(result, Unusable), result
    return [str(finding).removeprefix("contract.yaml:") for finding in result.findings]


def usable(text: str, above: SiteDefault | None = None) -> Contract:
    result = (
        parse_contract(HEAD + text, "contract.yaml", "my-board")
        if above is None
        else parse_contract(HEAD + text, "contract.yaml", "my-board", above)
    )
    assert isinstance(result, ContractInForce), str(result)
    return result.contract


def default(text: str) -> SiteDefault:
    result = parse_default("version: 1\n" + text, "default-contract.yaml")
    assert isinstance(result, SiteDefault), str(result)
    return result


@pytest.mark.parametrize(
    ("text", "field", "expected"),
    [
        ("camera: {leaves: true}", "camera.leaves", "expected false, got true: the camera feed"),
        ("camera: {kept_s: 5}", "camera.kept_s", "expected 0, got 5"),
        ("camera: {sensitivity: low}", "camera.sensitivity", "expected high"),
        ("camera: {mechanism: aggregate-dp}", "camera.mechanism", "expected none"),
        ("camera: {picture_share_max: 0.51}", "camera.picture_share_max", "expected a number"),
        ("alert: {sensitivity: high}", "alert.sensitivity", "expected low or medium beside"),
        ("log: {sensitivity: high}", "log.sensitivity", "expected low or medium beside"),
        (
            "result: {sensitivity: high, rows_leave: true}",
            "result.sensitivity",
            "expected low or medium beside result.rows_leave: true",
        ),
        ("alert: {mechanism: none}", "alert.mechanism", "its rows do leave"),
        ("log: {mechanism: none}", "log.mechanism", "its rows do leave"),
        (
            "alert: {mechanism: aggregate-dp}",
            "alert.mechanism",
            "what leaves row by row is not differentially private and must not be called so",
        ),
        (
            "result: {mechanism: aggregate-dp, rows_leave: true}",
            "result.mechanism",
            "what leaves row by row is not differentially private and must not be called so",
        ),
        (
            "result: {mechanism: rows-anonymised}",
            "result.mechanism",
            "no row leaves; write none, or open it with result.rows_leave: true",
        ),
        ("metric: {mechanism: rows-anonymised}", "metric.mechanism", "metrics never leave as rows"),
        (
            "log: {leaves: false, mechanism: aggregate-dp}",
            "log.mechanism",
            "only result and metric are aggregated",
        ),
        (
            "alert: {withheld: [label], labels: [scratch]}",
            "alert.labels",
            "none of them would leave",
        ),
        ("alert: {labels: [Scratch]}", "alert.labels[0]", "expected"),
        ("result: {models: [surface]}", "result.models[0]", "expected"),
        ("alert: {withheld: [severity]}", "alert.withheld[0]", "expected"),
        (
            "alert: {picture_leaves: true, picture_max_pixels: 76801}",
            "alert.picture_max_pixels",
            "expected at most 76800",
        ),
        (
            "fields: {z: {type: string, items: [alert], max_chars: 2, words: [abc]}}",
            "fields.z.words",
            "expected words of at most max_chars, 2, got 'abc'",
        ),
        (
            "fields: {z: {type: number, items: [alert], words: [a]}}",
            "fields.z.words",
            "expected no words for a number",
        ),
    ],
)
def test_a_declaration_that_contradicts_what_the_contract_does_is_a_finding(
    text: str, field: str, expected: str
) -> None:
    (finding,) = wrong(text)
    assert finding.startswith(f"3: {field}: "), finding
    assert expected in finding


@pytest.mark.parametrize(
    "text",
    [
        "alert: {sensitivity: high, leaves: false, mechanism: none}",
        "alert: {mechanism: rows-anonymised}",
        "result: {mechanism: aggregate-dp}",
        "result: {mechanism: rows-anonymised, rows_leave: true}",
        "metric: {mechanism: aggregate-dp, sensitivity: high}",
        "log: {leaves: false, mechanism: none, sensitivity: high}",
        "alert: {picture_leaves: true, picture_max_pixels: 76800}",
    ],
)
def test_a_declaration_that_tells_the_truth_is_usable(text: str) -> None:
    assert usable(text).name == "my-board"


def test_what_is_not_declared_follows_from_what_leaves() -> None:
    closed = usable("alert: {leaves: false}\nlog: {leaves: false}\n")
    assert {mechanism(closed, each) for each in CLASSES} == {"none"}
    opened = usable("result: {rows_leave: true}\nmetric: {mechanism: aggregate-dp}\n")
    assert [mechanism(opened, each) for each in CLASSES] == [
        *("rows-anonymised", "rows-anonymised", "aggregate-dp", "rows-anonymised")
    ]


def test_a_contract_has_what_it_does_not_say_from_the_site_s_default() -> None:
    above = default("result: {kept_h: 5}\nlog: {kept_h: 6, leaves: false}\n")
    contract = usable("log: {kept_h: 7}\n", above)
    assert (contract.result.kept_h, contract.log.kept_h, contract.log.leaves) == (5, 7, False)
    assert contract.metric.kept_h == Contract(version=1, name="x").metric.kept_h


def test_a_contradiction_with_the_site_s_default_is_a_finding_in_the_contract() -> None:
    above = default("alert: {leaves: false}\n")
    (finding,) = wrong("alert: {picture_leaves: true}\n", above)
    assert finding.startswith("3: alert.picture_leaves: expected alert.leaves: true beside")
    above = default("camera: {frame_pixels: 1024}\n")
    (finding,) = wrong("alert: {picture_leaves: true}\n", above)
    assert finding.startswith("3: alert.picture_max_pixels: expected at most 256")


@pytest.mark.parametrize(
    ("text", "field"),
    [
        ("alert: {picture_leaves: true}", "alert.picture_leaves"),
        ("result: {rows_leave: true}", "result.rows_leave"),
        ("alert: {sensitivity: high}", "alert.sensitivity"),
        ("camera: {leaves: true}", "camera.leaves"),
        ("name: all", "name"),
        ("fields: {}", "fields"),
    ],
)
def test_a_site_s_default_cannot_open_what_concerns_one_profile_or_contradict_itself(
    text: str, field: str
) -> None:
    result = parse_default(f"version: 1\n{text}\n", "default-contract.yaml")
    assert isinstance(result, Unusable)
    assert [(one.line, one.field) for one in result.findings] == [(2, field)]


def test_a_contract_in_force_is_named_by_its_bytes_and_those_of_the_default() -> None:
    one, two = default("result: {kept_h: 5}\n"), default("result: {kept_h: 5} # said again\n")
    names = {
        parse_contract(HEAD, "contract.yaml", None, above).sha256  # type: ignore[union-attr]
        for above in (one, two, SiteDefault({}, b""))
    }
    assert names == {digest_of(HEAD.encode(), each) for each in (one, two)} | {
        digest_of(HEAD.encode())
    }
    assert len(names) == 3


def test_aggregates_that_nobody_makes_yet_are_noted_where_they_are_declared() -> None:
    text = "metric: {mechanism: aggregate-dp}\n"
    (note,) = contract_notes(HEAD + text, "contract.yaml")
    assert str(note) == (
        "contract.yaml:3: metric.mechanism: this release does not make aggregates yet: until one "
        "does, nothing of this class leaves the site"
    )
    (note,) = default_notes("version: 1\n" + text, "default-contract.yaml")
    assert (note.line, note.field) == (2, "metric.mechanism")
    assert contract_notes(HEAD, "contract.yaml", default(text)) == ()


def test_rows_that_tell_of_an_aggregate_are_noted() -> None:
    text = "result: {mechanism: aggregate-dp}\n"
    first, second = contract_notes(HEAD + text, "contract.yaml")
    assert first.field == second.field == "result.mechanism"
    assert {"alerts leave row by row" in one.message for one in (first, second)} == {True, False}
    closed = f"{text}alert: {{leaves: false}}\n"
    assert len(contract_notes(HEAD + closed, "contract.yaml")) == 1


def test_words_that_are_listed_are_no_free_text() -> None:
    field = "fields: {z: {type: string, items: [alert], leaves: true, words: [left, right]}}\n"
    assert contract_notes(HEAD + field, "contract.yaml") == ()


def test_the_camera_feed_is_closed_without_a_word() -> None:
    camera = usable("").camera
    assert camera == CameraRule()
    assert (camera.leaves, camera.kept_s, camera.sensitivity) == (False, 0, "high")
