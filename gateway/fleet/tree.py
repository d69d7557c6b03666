"""YAML text as a tree of nodes that know their lines; only the plain part of YAML.

Refused, because no profile needs it and each has hurt somebody: aliases and anchors (a
few lines that unfold to gigabytes, or a tree that contains itself), tags (they name
types, in some readers code), deep nesting, several documents in one file.

The tree grows from the parser's events in a loop. PyYAML's own composer recurses, and it
resolves aliases; neither may happen before the text has been judged.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

import yaml

from gateway.fleet.findings import Finding, shown
from gateway.fleet.scalar import Scalar, Unclear, read

TEXT_MAX_BYTES: Final = 64 * 1024
DEPTH_MAX: Final = 8
PROBLEM_MAX_CHARS: Final = 120


@dataclass(frozen=True, slots=True)
class Leaf:
    """A scalar: as it is written, and what it says."""

    line: int
    text: str
    value: Scalar | Unclear


@dataclass(frozen=True, slots=True)
class Listing:
    """A list."""

    line: int
    parts: list["Node"] = field(default_factory=list["Node"])


@dataclass(frozen=True, slots=True)
class Block:
    """Keys and their values in turns, as the file has them: a key may come twice."""

    line: int
    parts: list["Node"] = field(default_factory=list["Node"])

    def entries(self) -> Iterator[tuple["Node", "Node"]]:
        """Yield (key, value)."""
        return zip(self.parts[::2], self.parts[1::2], strict=True)


@dataclass(frozen=True, slots=True)
class Refused:
    """Stands where ``grow`` has refused something: it is reported already."""

    line: int


Node = Leaf | Listing | Block | Refused


class _StopError(Exception):
    """The text cannot be read further, or must not be."""

    def __init__(self, line: int, message: str) -> None:
        super().__init__(message)
        self.line = line
        self.message = message


class _Grower:
    """Takes the parser's events one by one. ``line`` is where the last one began."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.line = 1
        self._root = Listing(1)
        self.findings: list[Finding] = []
        self._opened: list[Listing | Block] = [self._root]

    def refuse(self, line: int, message: str) -> None:
        self.findings.append(Finding(self.file, line, "", message))

    def take(self, event: yaml.Event) -> None:
        line = self.line = 1 if event.start_mark is None else event.start_mark.line + 1
        match event:
            case yaml.DocumentStartEvent() if self._root.parts:
                message = "expected one document, got a second: remove it from this '---' on"
                raise _StopError(line, message)
            case yaml.AliasEvent(anchor=name):
                self.refuse(line, f"the alias {shown(f'*{name}')} is not allowed: write its value")
                self._opened[-1].parts.append(Refused(line))
            case yaml.ScalarEvent(value=text):
                self._judge(event, line)
                value = read(text, quoted=event.style is not None)
                self._opened[-1].parts.append(Leaf(line, text, value))
            case yaml.SequenceStartEvent():
                self._judge(event, line)
                self._open(Listing(line))
            case yaml.MappingStartEvent():
                self._judge(event, line)
                self._open(Block(line))
            case yaml.CollectionEndEvent():
                self._opened.pop()
            case _:
                pass  # begin and end of the stream and of the document say nothing

    def grown(self) -> Node:
        if not self._root.parts:
            raise _StopError(1, "expected keys and values, got an empty file: write its keys")
        return self._root.parts[0]

    def _judge(self, event: yaml.ScalarEvent | yaml.CollectionStartEvent, line: int) -> None:
        if event.anchor is not None:
            self.refuse(line, f"the anchor {shown(f'&{event.anchor}')} is not allowed: remove it")
        if event.tag is not None:
            tag = shown(event.tag.replace("tag:yaml.org,2002:", "!!"))
            self.refuse(line, f"the tag {tag} is not allowed: remove it")

    def _open(self, node: Listing | Block) -> None:
        if len(self._opened) > DEPTH_MAX:
            message = f"expected at most {DEPTH_MAX} levels, got more: nest less"
            raise _StopError(node.line, message)
        self._opened[-1].parts.append(node)
        self._opened.append(node)


def grow(content: bytes, file: str) -> tuple[Node | None, list[Finding]]:
    """Return the root of ``content`` and what is wrong with its form.

    The root is None where nothing can be read; then there is at least one finding. It
    may be there beside findings, so that the content can be judged in the same run.
    """
    grower = _Grower(file)
    try:
        for event in yaml.parse(_decoded(content), Loader=yaml.SafeLoader):
            grower.take(event)
        return grower.grown(), grower.findings
    except _StopError as stop:
        grower.refuse(stop.line, stop.message)
    except yaml.YAMLError as error:
        grower.refuse(*_explained(error, content))
    except (ValueError, OverflowError):
        # PyYAML hands an escape such as "\UFFFFFFFF" or a long version number to chr() and int().
        message = "an escape or version number is out of range: write plain characters"
        grower.refuse(grower.line, message)
    return None, grower.findings


def _decoded(content: bytes) -> str:
    if len(content) > TEXT_MAX_BYTES:
        raise _StopError(1, f"expected at most {TEXT_MAX_BYTES} bytes, got more: shorten the file")
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise _StopError(line, "expected UTF-8, got other bytes: save the file as UTF-8") from error


# What PyYAML calls the commonest slips, and what a person who writes a profile calls them.
_PLAIN_WORDS: Final = (
    ("mapping values are not allowed", "a ':' where no key can be: correct the indentation"),
    (r"'\t'", "a tab where only spaces may stand: indent with spaces"),
    ("end of stream", "a quote that opens here is never closed: close it"),
    ("<stream end>", "a bracket that opens here is never closed: close it"),
)


def _explained(error: yaml.YAMLError, content: bytes) -> tuple[int, str]:
    """Return the line and, in plain words, what the parser stopped at."""
    if isinstance(error, yaml.reader.ReaderError):
        line = content.decode().count("\n", 0, error.position) + 1
        return line, "a control character, which YAML does not allow: remove it"
    if not isinstance(error, yaml.MarkedYAMLError) or error.problem_mark is None:
        return 1, "not readable as YAML: write one 'key: value' a line"
    problem = error.problem or ""
    for sign, words in _PLAIN_WORDS:
        if sign in problem:
            mark = (error.context_mark if "opens" in words else None) or error.problem_mark
            return mark.line + 1, words
    return error.problem_mark.line + 1, (
        f"not readable as YAML ({problem[:PROBLEM_MAX_CHARS]}): "
        "correct indentation, colons, brackets and quotes here or one line above"
    )
