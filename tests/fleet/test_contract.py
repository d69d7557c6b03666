"""Mistakes and contradictions in a data contract."""

import hashlib

import pytest

from gateway.fleet.contract import contract_notes, parse_contract
from gateway.fleet.findings import Unusable
from gateway.model.contract import AlertRule, Contract, ContractInForce, FieldRule

HEAD = "version: 1\nname: my-board\n"
SCORE = HEAD + "fields:\n  score: {type: number, items: [alert], minimum: 0, maximum: 1}\n"
NOTHING_LEAVES = (
    "expected a class of items that leaves (alert with alert.leaves, result with "
    "result.rows_leave), got none: nothing would leave; open such a class, or write leaves: false"
)


def usable(text: str) -> Contract:
    result = parse_contract(text, "contract.yaml", "my-board")
    assert isinstance(result, ContractInForce), str(result)
    return result.contract


def wrong(text: str) -> list[str]:
    result = parse_contract(text, "contract.yaml", "my-board")
    assert isinstance(result, Unusable), result
    return [str(finding).removeprefix("contract.yaml:") for finding in result.findings]


def field(rule: str, rest: str = "") -> str:
    return f"{HEAD}fields:\n  speed: {{{rule}}}\n{rest}"


def test_the_shortest_contract_is_closed() -> None:
    contract = usable(HEAD)
    assert contract == Contract(version=1, name="my-board")
    assert not contract.alert.picture_leaves
    assert not contract.result.rows_leave
    assert contract.fields == {}


def test_a_contract_in_force_is_named_by_the_digest_of_its_very_bytes() -> None:
    for text in (SCORE, SCORE.replace("\n", "\r\n"), SCORE + "# a remark\n"):
        result = parse_contract(text.encode(), "contract.yaml")
        assert isinstance(result, ContractInForce)
        assert result.sha256 == hashlib.sha256(text.encode()).hexdigest()
        assert result == parse_contract(text, "contract.yaml")


def test_declared_fields_are_read_with_their_rules() -> None:
    text = SCORE + "  zone: {type: string, items: [alert, result], max_chars: 8, leaves: true}\n"
    assert usable(text).fields == {
        "score": FieldRule("number", ("alert",), minimum=0, maximum=1),
        "zone": FieldRule("string", ("alert", "result"), max_chars=8, leaves=True),
    }


def test_pictures_leave_only_by_opt_in() -> None:
    assert usable(HEAD + "alert: {picture_leaves: true}\n").alert == AlertRule(picture_leaves=True)


@pytest.mark.parametrize(
    ("text", "finding"),
    [
        (
            HEAD.replace("1", "2"),
            "1: version: expected 1, got 2: write just that",
        ),
        (
            HEAD.replace("1", "true"),
            "1: version: expected 1, got true: write just that",
        ),
        (
            HEAD.replace("1", "1.0"),
            "1: version: expected 1, got 1.0: write just that",
        ),
        (
            HEAD.replace("my-board", "another"),
            "2: name: expected the name of its profile, 'my-board', got 'another': correct it",
        ),
        (
            HEAD + "alert:\n  leaves: false\n  picture_leaves: true\n",
            (
                "5: alert.picture_leaves: expected alert.leaves: true beside picture_leaves: true, "
                "got false: a picture leaves only with its alert; set both, or keep the picture"
            ),
        ),
        (
            HEAD + "alert:\n  picture_leaves: true\n  picture_max_pixels: 0\n",
            (
                "5: alert.picture_max_pixels: expected more than 0 beside picture_leaves: true, "
                "got 0: no picture would fit; set a bound or picture_leaves: false"
            ),
        ),
        (
            HEAD + "alert:\n  picture_max_bytes: 262145\n",
            (
                "4: alert.picture_max_bytes: expected a whole number from 0 to 262144, got 262145: "
                "correct the number"
            ),
        ),
        (
            HEAD + "result:\n  kept_h: 24h\n",
            (
                "4: result.kept_h: expected a whole number from 0 to 8784, got the text '24h': "
                "write a decimal number without unit and quotes"
            ),
        ),
        (
            HEAD + "metric: {leaves: true}\n",
            (
                "3: metric.leaves: expected one of sensitivity, mechanism, kept_h, got an unknown "
                "key: correct its spelling or remove it"
            ),
        ),
        (
            HEAD + "fields: [score]\n",
            (
                "3: fields: expected names with values, got a list: "
                "write one indented 'key: value' a line"
            ),
        ),
        (
            SCORE.replace("score:", "Score:"),
            (
                "4: fields.Score: expected a name of 1 to 48 of a-z, 0-9 and '_', beginning with a "
                "letter, got 'Score': rename the field"
            ),
        ),
        (
            SCORE.replace("score:", "a.b:"),
            (
                "4: fields.'a.b': expected a name of 1 to 48 of a-z, 0-9 and '_', beginning with a "
                "letter, got 'a.b': rename the field"
            ),
        ),
        (
            field("type: number"),
            (
                "4: fields.speed.items: expected a list of 1 or more entries, each alert or log "
                "or metric or result, got no such key: add 'items:' here"
            ),
        ),
        (
            field("type: number, leaves: true, minimum: 0, maximum: 1, items: alert"),
            (
                "4: fields.speed.items: expected a list of 1 or more entries, each alert or log "
                "or metric or result, got the text 'alert': write one '- entry' a line"
            ),
        ),
        (
            field("type: number, items: [picture]"),
            (
                "4: fields.speed.items[0]: expected alert or log or metric or result, got the text "
                "'picture': choose one of them"
            ),
        ),
        (
            field("type: number, items: [alert], minimum: 2, maximum: 1"),
            (
                "4: fields.speed.minimum: expected at most the maximum, 1, got 2: exchange or "
                "correct them"
            ),
        ),
        (
            field("type: string, items: [alert], scale: 10"),
            (
                "4: fields.speed.scale: expected no scale for a string, got one: remove it, or "
                "correct the type"
            ),
        ),
        (
            field("type: string, items: [alert], maximum: 10"),
            (
                "4: fields.speed.maximum: expected no maximum for a string, got one: remove it, or "
                "correct the type"
            ),
        ),
        (
            field("type: number, items: [alert], max_chars: 10"),
            (
                "4: fields.speed.max_chars: expected no max_chars for a number, got one: remove "
                "it, or correct the type"
            ),
        ),
        (
            field("type: string, items: [result], leaves: true"),
            f"4: fields.speed.leaves: {NOTHING_LEAVES}",
        ),
        (
            field("type: string, items: [log, metric], leaves: true"),
            f"4: fields.speed.leaves: {NOTHING_LEAVES}",
        ),
        (
            field("type: string, items: [alert], leaves: true", "alert: {leaves: false}\n"),
            f"4: fields.speed.leaves: {NOTHING_LEAVES}",
        ),
        (
            field("type: number, items: [alert], leaves: true, minimum: 0"),
            (
                "4: fields.speed.maximum: expected a number, because the field leaves as a whole "
                "number of bounded size, got none: add maximum"
            ),
        ),
        (
            field("type: number, items: [alert], maximum: 9007199255, scale: 1000000"),
            (
                "4: fields.speed.maximum: expected maximum times scale within 2^53, got 9007199255 "
                "times 1000000: lower one of them"
            ),
        ),
    ],
)
def test_a_mistake_or_contradiction_is_named_with_line_and_field(text: str, finding: str) -> None:
    assert wrong(text) == [finding]


def test_a_field_leaves_with_results_that_leave() -> None:
    rule = "type: string, items: [result], leaves: true"
    assert usable(field(rule, "result: {rows_leave: true}\n")).fields["speed"].leaves


def test_a_mistake_in_what_a_rule_needs_is_told_once() -> None:
    """Whether the field could leave is unknown here, so only the unreadable value is told."""
    rule = "type: string, items: [result], leaves: true"
    assert wrong(field(rule, "result: {rows_leave: maybe}\n")) == [
        (
            "5: result.rows_leave: expected true or false, got the text 'maybe': "
            "write true or false without quotes"
        )
    ]


def test_too_many_fields_are_refused_as_one_finding() -> None:
    lines = "".join(f"  f{number}: {{type: string, items: [log]}}\n" for number in range(65))
    assert wrong(f"{HEAD}fields:\n{lines}") == [
        "3: fields: expected at most 64 entries, got 65: remove some"
    ]


def test_text_that_leaves_is_noted() -> None:
    text = field("type: string, items: [alert], leaves: true")
    assert [str(note) for note in contract_notes(text, "contract.yaml")] == [
        (
            "contract.yaml:4: fields.speed.leaves: free text leaves the site: make sure that it "
            "can never name a person"
        )
    ]


def test_an_unusable_contract_has_findings_and_no_notes() -> None:
    assert contract_notes("result: {rows_leave: true}", "contract.yaml") == ()
