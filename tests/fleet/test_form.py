"""Texts that are no plain YAML: refused with a line, quickly, and never by an exception."""

import itertools
from typing import Annotated

import msgspec
import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st

from gateway.fleet.contract import SiteDefault, parse_contract, parse_default
from gateway.fleet.document import read
from gateway.fleet.findings import FINDINGS_MAX, Unusable
from gateway.fleet.profile import parse_profile
from gateway.fleet.scalar import UNCLEAR
from gateway.fleet.scalar import read as read_scalar
from gateway.fleet.tree import _explained


class Pair(msgspec.Struct, forbid_unknown_fields=True):
    a: int = 0
    b: str = ""


def wrong(text: str | bytes) -> list[str]:
    result = read(text, "f", Pair, lambda _: ())
    assert isinstance(result, Unusable), result
    return [str(finding).removeprefix("f:") for finding in result.findings]


@pytest.mark.parametrize(
    ("text", "finding"),
    [
        ("", "1: expected keys and values, got an empty file: write its keys"),
        ("# nothing\n", "1: expected keys and values, got an empty file: write its keys"),
        (b"a: 1\nb: \xff\n", "2: expected UTF-8, got other bytes: save the file as UTF-8"),
        ("a: 1\nb: \ud800\n", "2: expected UTF-8, got other bytes: save the file as UTF-8"),
        ("a: 1\nb: \x07\n", "2: a control character, which YAML does not allow: remove it"),
        ("a: 1\n b: x\n", "2: a ':' where no key can be: correct the indentation"),
        ("a: 1\nb:\n\t- x\n", "3: a tab where only spaces may stand: indent with spaces"),
        ("a: 1\nb: 'x\n\n", "2: a quote that opens here is never closed: close it"),
        ("a: [1,\n 2\n", "1: a bracket that opens here is never closed: close it"),
        (
            "a: 1\n---\na: 2\n",
            "2: expected one document, got a second: remove it from this '---' on",
        ),
        (
            "a: 1\nb: @x\n",
            (
                "2: not readable as YAML (found character '@' that cannot start any token): "
                "correct indentation, colons, brackets and quotes here or one line above"
            ),
        ),
        (
            'a: 1\nb: "\\UFFFFFFFF"\n',
            "2: an escape or version number is out of range: write plain characters",
        ),
        ("a: &x 1\n", "1: the anchor '&x' is not allowed: remove it"),
        ("a: 1\nb: !!str x\n", "2: the tag '!!str' is not allowed: remove it"),
        ("a: 1\nb: !evil x\n", "2: the tag '!evil' is not allowed: remove it"),
        ("a: *x\n", "1: the alias '*x' is not allowed: write its value"),
        ("*x : 1\n", "1: the alias '*x' is not allowed: write its value"),
        ("a: [[[[[[[[1]]]]]]]]\n", "1: expected at most 8 levels, got more: nest less"),
    ],
)
def test_a_text_that_is_no_plain_yaml_is_refused_by_line(text: str | bytes, finding: str) -> None:
    assert wrong(text) == [finding]


def test_form_and_content_are_judged_in_one_run() -> None:
    assert wrong("a: &x one\nb: *x\nc: 1\n") == [
        "1: the anchor '&x' is not allowed: remove it",
        (
            "1: a: expected a whole number, got the text 'one': "
            "write a decimal number without unit and quotes"
        ),
        "2: the alias '*x' is not allowed: write its value",
        "3: c: expected one of a, b, got an unknown key: correct its spelling or remove it",
    ]


def test_an_error_that_names_no_place_is_told_at_the_beginning() -> None:
    line, message = _explained(yaml.YAMLError("of tomorrow"), b"a: 1\n")
    assert (line, message) == (1, "not readable as YAML: write one 'key: value' a line")


def test_a_bomb_of_aliases_is_never_unfolded() -> None:
    """Nine lines that stand for 9^9 words. Unfolded, this test would not end."""
    lines = ["a: &a [lol]"]
    for before, letter in itertools.pairwise("abcdefghij"):
        lines.append(f"{letter}: &{letter} [{', '.join([f'*{before}'] * 9)}]")
    findings = wrong("\n".join(lines))
    assert "1: the anchor '&a' is not allowed: remove it" in findings
    assert "2: the alias '*a' is not allowed: write its value" in findings


def test_a_tree_that_contains_itself_is_refused() -> None:
    assert "1: the alias '*a' is not allowed: write its value" in wrong("b: &a [*a]\n")


@pytest.mark.parametrize("opening", ["[", "- ", "{a: ", "? "])
def test_deep_nesting_is_refused_before_it_is_climbed(opening: str) -> None:
    assert wrong(opening * 10_000) == ["1: expected at most 8 levels, got more: nest less"]


@pytest.mark.parametrize("filler", ["#", "ä", "\n"])
def test_a_text_above_its_bound_is_not_parsed(filler: str) -> None:
    content = filler.encode() * (64 * 1024 // len(filler.encode()) + 1)
    assert wrong(content) == ["1: expected at most 65536 bytes, got more: shorten the file"]


def test_a_text_at_its_bound_is_read() -> None:
    text = "a: 1\n"
    text += "#" * (64 * 1024 - len(text))
    assert not isinstance(read(text, "f", Pair, lambda _: ()), Unusable)


def test_a_file_full_of_mistakes_gets_a_bounded_answer() -> None:
    findings = wrong("".join(f"x{number}: 1\n" for number in range(5000)))
    assert len(findings) == FINDINGS_MAX + 1
    assert findings[-1] == "100: and 4900 more findings: correct these first"


def test_a_hostile_key_cannot_write_into_the_terminal() -> None:
    (finding,) = wrong('"\\e[2J\\u202E' + "x" * 500 + '": 1\n')
    assert finding.isprintable()
    assert len(finding) < 200


def test_a_bound_that_the_judge_does_not_know_still_holds() -> None:
    class Even(msgspec.Struct):
        a: Annotated[int, msgspec.Meta(multiple_of=2)]

    result = read("a: 3\n", "f", Even, lambda _: ())
    assert isinstance(result, Unusable)
    assert "multiple of 2" in str(result)
    assert "$.a" in str(result)


PLAIN = st.text("0123456789-+._:eExobTnNyYsSaAfFlLuUrR~<=ZI ", min_size=1, max_size=8)


@given(PLAIN)
@example("yes")
@example("010")
@example("1:30")
@example("2026-01-31")
@example("-0")
@example("1.")
@example("0o17")
@example(".inf")
def test_a_scalar_is_read_only_as_other_readers_read_it(text: str) -> None:
    """The other reader is PyYAML's; where it sees no plain scalar, there is nothing to compare."""
    try:
        tree = yaml.compose(text, Loader=yaml.SafeLoader)
        theirs = yaml.safe_load(text)
    except (yaml.YAMLError, ValueError):
        return
    if not isinstance(tree, yaml.ScalarNode) or tree.value != text:
        return
    ours = read_scalar(text, quoted=False)
    if ours is not UNCLEAR:
        assert (type(ours), ours) == (type(theirs), theirs)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("4", 4),
        ("-4", -4),
        ("0.5", 0.5),
        ("999999999999999", 999_999_999_999_999),
        ("true", True),
        ("null", None),
        ("ARM Cortex-A53 @ 1.5GHz", "ARM Cortex-A53 @ 1.5GHz"),
        ("4 cores", "4 cores"),
        ("1e3", UNCLEAR),
        ("+4", UNCLEAR),
        ("9999999999999999", UNCLEAR),
        ("True", UNCLEAR),
        ("NO", UNCLEAR),
        ("0x1F", UNCLEAR),
        ("1_000", UNCLEAR),
        ("<<", UNCLEAR),
    ],
)
def test_what_a_plain_scalar_says(text: str, value: object) -> None:
    assert read_scalar(text, quoted=False) == value
    assert read_scalar(text, quoted=True) == text


PIECES = st.sampled_from(
    [
        *("name", "hardware", "cpu", "fields", "alert", "items", "trust", "attested", "number"),
        *(": ", "- ", "? ", "[", "]", "{", "}", ",", "\n", "\n  ", "\n    ", "\t", "|", ">", "#"),
        *("&a ", "*a ", "!!int ", "!x ", "%YAML 1.1\n", "%TAG ! a:\n", "---\n", "...\n", "<<: "),
        *('"', "'", "\\", "\\x", "\\UFFFFFFFF", "~", "null", "yes", "0", "1.5", "-1", "9" * 400),
        *("\r", "\x85", "\u2028", "\ufeff", "\x00", "\ud800", "ä", "😀"),
    ]
)


ABOVE = SiteDefault({"result": {"kept_h": 5}, "log": {"leaves": False}}, b"above")


def judged(text: str | bytes) -> None:
    for result in (
        parse_profile(text, "f", "x"),
        parse_contract(text, "f", "x"),
        parse_contract(text, "f", "x", ABOVE),
        parse_default(text, "f"),
    ):
        if isinstance(result, Unusable):
            assert result.findings
            assert all(finding.line >= 1 for finding in result.findings)
            assert str(result).replace("\n", "").isprintable()
            msgspec.json.encode(str(result))


@given(st.binary(max_size=300))
def test_any_bytes_are_read_or_refused(content: bytes) -> None:
    judged(content)


@given(st.lists(PIECES, max_size=40).map("".join))
@example('"\\UFFFFFFFF"')
@example("%YAML 1." + "9" * 5000 + "\n---\n")
def test_any_heap_of_yaml_is_read_or_refused(text: str) -> None:
    judged(text)


@given(st.floats() | st.integers() | st.text(max_size=20) | st.booleans() | st.none())
def test_any_value_of_a_field_is_read_or_refused(value: object) -> None:
    text = yaml.safe_dump({"version": 1, "name": "x", "result": {"kept_h": value}})
    judged(text)
    fits = isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= 8784
    assert isinstance(parse_contract(text, "f"), Unusable) is not fits
