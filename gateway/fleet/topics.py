"""Topic maps: what joins several keys of ``topics``, and the maps of different profiles.

The broker lets a device publish on the topics of its map with its own id in them, and on no
others. So the id is one whole level, and no topic may be read as two different devices'.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Final

from gateway.fleet.findings import Finding, shown
from gateway.fleet.shape import Plain, Sheet, Steps
from gateway.model.contract import Contract
from gateway.model.profile import Profile
from gateway.model.topicmap import (
    ALERT_WORDS,
    ID_LEVEL,
    LOG_WORDS,
    MetricMap,
    TopicRule,
    is_path,
    steps,
)

LEVELS_MAX: Final = 8
LEVEL: Final = re.compile(r"[A-Za-z0-9_.:-]{1,64}")
OURS: Final = ("line", "gateway")
"""First levels that belong to the protocol and to the gateway."""
KINDS: Final = ("alert", "result", "metrics", "log")
WORDS: Final = {"alert": ALERT_WORDS, "log": LOG_WORDS}
NUMBERS: Final = ("score", "latency_ms", "value")


def topic_rules(sheet: Sheet) -> Iterator[Finding]:
    """Yield what is wrong with ``topics`` beyond its shape."""
    rules = sheet.get("topics")
    if not isinstance(rules, list) or not rules:
        if sheet.get("silent_after_s") is not None:
            yield sheet.finding(
                ("silent_after_s",),
                "expected topics beside it, got none: a device that speaks the protocol says "
                "itself when it goes; remove this key",
            )
        return
    if sheet.get("trust") == "attested":
        yield sheet.finding(
            ("trust",),
            "expected key-only beside topics, got attested: a device that needs a topic map "
            "cannot send evidence; write trust: key-only",
        )
    first: dict[str, int] = {}
    for index in range(len(rules)):
        path = ("topics", f"[{index}]")
        topic = sheet.get(*path, "topic")
        if isinstance(topic, str):
            yield from _topic(sheet, (*path, "topic"), topic)
            if topic in first:
                yield sheet.finding(
                    (*path, "topic"),
                    f"expected each topic once, got {shown(topic)} as in topics[{first[topic]}] "
                    "again: put both into one entry",
                )
            first.setdefault(topic, index)
        yield from _kind(sheet, path)
        yield from _values(sheet, path)


def _topic(sheet: Sheet, path: Steps, topic: str) -> Iterator[Finding]:
    levels = topic.split("/")
    if levels.count(ID_LEVEL) != 1 or levels[0] == ID_LEVEL:
        yield sheet.finding(
            path,
            f"expected {ID_LEVEL} as one whole level after the first, got {shown(topic)}: set the "
            f"device so that its id is a level of its topic, and write it as cam/{ID_LEVEL}/alarm",
        )
    if not 1 < len(levels) <= LEVELS_MAX or not all(
        LEVEL.fullmatch(level) for level in levels if level != ID_LEVEL
    ):
        yield sheet.finding(
            path,
            f"expected 2 to {LEVELS_MAX} levels of 1 to 64 of A-Z, a-z, 0-9, '_', '.', ':' and "
            f"'-', got {shown(topic)}: write the topic out, without '+' and '#'",
        )
    elif levels[0] in OURS:
        yield sheet.finding(
            path,
            f"expected a first level other than {' and '.join(OURS)}, got {levels[0]}: it belongs "
            "to the gateway; choose another",
        )


def _kind(sheet: Sheet, path: Steps) -> Iterator[Finding]:
    given = [kind for kind in KINDS if sheet.get(*path, kind) is not None]
    if len(given) != 1:
        got = " and ".join(given) or "none"
        yield sheet.finding(
            path,
            f"expected one of {', '.join(KINDS)}, got {got}: a topic makes one kind of items",
        )


def _values(sheet: Sheet, path: Steps) -> Iterator[Finding]:
    """Judge every value of one entry by the name of its key."""
    whole_only = sheet.get(*path, "payload") == "text"
    for at, cell in list(sheet.cells.items()):
        if at[: len(path)] != path or len(at) == len(path):
            continue
        value = cell.value
        if is_path(value):
            yield from _path(sheet, at, str(value), whole_only=whole_only)
        inside, key = at[len(path) :], at[-1]
        if inside == ("when", "path") and not is_path(value) and isinstance(value, str):
            yield _no_path(sheet, at, value)
        if key in NUMBERS and "fields" not in inside:
            yield from _number(sheet, at, key, value)
        if key == "severity" and isinstance(value, str) and not is_path(value):
            yield from _word(sheet, at, value, WORDS[inside[0]])
        if inside[0] == "severities" and len(inside) == 2:  # noqa: PLR2004 -- the key and its word
            kind = "alert" if sheet.get(*path, "alert") is not None else "log"
            if isinstance(value, str):
                yield from _word(sheet, at, value, WORDS[kind])
        if key == "template" and is_path(value):
            yield sheet.finding(
                at,
                f"expected a constant, got the path {shown(str(value))}: templates may leave the "
                "site, what a device says may not; put the path into message",
            )


def _path(sheet: Sheet, at: Steps, path: str, *, whole_only: bool) -> Iterator[Finding]:
    found = steps(path)
    if found is None:
        yield _no_path(sheet, at, path)
    elif found and whole_only:
        yield sheet.finding(
            at,
            f"expected '$' for a text payload, got {shown(path)}: a text has no members; write "
            "'$', or payload: json",
        )


def _no_path(sheet: Sheet, at: Steps, path: str) -> Finding:
    return sheet.finding(
        at,
        f"expected '$' and up to 8 steps such as '$.event.score', got {shown(path)}: correct the "
        "path",
    )


def _number(sheet: Sheet, at: Steps, key: str, value: Plain) -> Iterator[Finding]:
    if isinstance(value, str) and not is_path(value):
        yield sheet.finding(
            at,
            f"expected a number or a path, got the text {shown(value)}: write {key}: 0.5 or "
            f"{key}: $.{key}",
        )
    if key == "score" and isinstance(value, int | float) and not 0 <= value <= 1:
        yield sheet.finding(at, f"expected a score from 0 to 1, got {value}: correct the number")


def _word(sheet: Sheet, at: Steps, word: str, known: tuple[str, ...]) -> Iterator[Finding]:
    if word not in known:
        yield sheet.finding(
            at, f"expected one of {', '.join(known)}, got {shown(word)}: choose one of them"
        )


def undeclared(profile: Profile, contract: Contract, file: str) -> Iterator[Finding]:
    """Yield the fields of topic maps that the contract of the same folder would refuse."""
    for index, rule in enumerate(profile.topics):
        for kind, block in rule.blocks():
            if isinstance(block, MetricMap):
                continue
            for name, value in block.fields.items():
                where = f"topics[{index}].{kind}.fields.{name}"
                declared = contract.fields.get(name)
                if declared is None or kind not in declared.items:
                    message = (
                        f"expected a field that contract.yaml declares for {kind} items, got "
                        f"{shown(name)}: declare it there, or remove it here"
                    )
                    yield Finding(file, 0, where, message)
                elif not is_path(value) and isinstance(value, str) is (declared.type == "number"):
                    message = f"expected a {declared.type}, as contract.yaml says: correct one"
                    yield Finding(file, 0, where, message)


def ambiguous(profiles: Mapping[str, Profile], files: Mapping[str, str]) -> Iterator[Finding]:
    """Yield topics of two profiles that one message could answer to as two devices."""
    known: list[tuple[str, TopicRule]] = []
    for name, profile in profiles.items():
        for index, rule in enumerate(profile.topics):
            for other, earlier in known:
                if _meet(rule.topic, earlier.topic):
                    message = (
                        f"expected a topic that names one device only, got {shown(rule.topic)}, "
                        f"which can be read as {shown(earlier.topic)} of profile {other} too: "
                        "change the words of one of them"
                    )
                    yield Finding(files[name], 0, f"topics[{index}].topic", message)
            known.append((name, rule))


def _meet(one: str, other: str) -> bool:
    """Tell whether a topic can be both, with different devices in it."""
    left, right = one.split("/"), other.split("/")
    if len(left) != len(right) or left.index(ID_LEVEL) == right.index(ID_LEVEL):
        return False
    return all(a == b or ID_LEVEL in {a, b} for a, b in zip(left, right, strict=True))
