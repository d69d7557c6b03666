"""Does a tree have the shape of a model type? All that differs is found, not only the first.

The types are those of ``gateway/model``; their bounds are read by inspection, so a bound
stands in one place. A value that was found wrong is ``UNREADABLE`` for what comes later:
nobody hears of one mistake twice.
"""

import re
from dataclasses import dataclass, field
from enum import Enum
from typing import Final

from msgspec import inspect

from gateway.fleet.findings import Finding, shown
from gateway.fleet.scalar import Scalar, Unclear
from gateway.fleet.tree import Block, Leaf, Listing, Node, Refused
from gateway.fleet.wording import advice, came, expected

_PLAIN_STEP: Final = re.compile(r"[A-Za-z0-9_-]{1,64}|\[[0-9]+\]")


class Unreadable(Enum):
    """The type of ``UNREADABLE``."""

    UNREADABLE = "unreadable"


UNREADABLE: Final = Unreadable.UNREADABLE

Steps = tuple[str, ...]
"""The keys from the root to a value; an entry of a list is the step ``[0]``, ``[1]``..."""

Plain = Scalar | Unreadable | list["Plain"] | dict[str, "Plain"]


@dataclass(frozen=True, slots=True)
class Cell:
    """What a file says at one path: the key's line and the value, if it can be used."""

    line: int
    value: Plain


@dataclass(frozen=True, slots=True)
class Sheet:
    """Everything that a file gives, by path (``("hardware", "ram_mb")``), good or bad."""

    file: str
    cells: dict[Steps, Cell] = field(default_factory=dict[Steps, Cell])
    inherited: dict[Steps, Plain] = field(default_factory=dict[Steps, Plain])
    """What holds where the file says nothing, because a file above it does."""

    def given(self, *path: str) -> bool:
        """Tell whether the file has this key, with whatever value."""
        return path in self.cells

    def get(self, *path: str, default: Scalar = None) -> Plain:
        """Return the value, ``UNREADABLE``, or ``default`` where no file gives it."""
        return self.cells[path].value if path in self.cells else self.inherited.get(path, default)

    def keys(self, *path: str) -> list[str]:
        """Return the keys below ``path``, in the order of the file."""
        return [each[-1] for each in self.cells if each[:-1] == path]

    def finding(self, path: Steps, message: str) -> Finding:
        """Return a finding at ``path``, or at the nearest line above it that the file gives."""
        near = path
        while near and near not in self.cells:
            near = near[:-1]
        return Finding(self.file, self.cells[near].line if near else 1, spelled(path), message)


def spelled(path: Steps) -> str:
    """Return ``path`` as people write it: ``hardware.ram_mb``, ``capabilities[0]``."""
    steps = (step if _PLAIN_STEP.fullmatch(step) else shown(step) for step in path)
    return ".".join(steps).replace(".[", "[")


class Judge:
    """Compares one tree with one type; ``findings`` and ``sheet`` hold the result."""

    def __init__(self, file: str) -> None:
        self.sheet = Sheet(file)
        self.findings: list[Finding] = []

    def judge(  # noqa: PLR0911 - a table: one answer a shape
        self, node: Node, want: inspect.Type, path: Steps, line: int
    ) -> Plain:
        """Return what ``node`` says as ``want``; ``line`` is where its key stands."""
        if isinstance(node, Refused):
            return UNREADABLE
        match want, node:
            case inspect.StructType(), Block():
                return self._struct(node, want, path, line)
            case inspect.DictType(), Block():
                return self._dict(node, want, path, line)
            case inspect.VarTupleType(), Listing():
                return self._list(node, want, path)
            case inspect.UnionType(types=types), Block() if (block := _block(types)) is not None:
                return self.judge(node, block, path, line)
            case _, Leaf(value=value) if not isinstance(value, Unclear) and _fits(value, want):
                return value
            case _:
                return self._wrong(node.line, path, expected(want), came(node), advice(want, node))

    def _wrong(self, line: int, path: Steps, wanted: str, got: str, action: str) -> Plain:
        message = f"expected {wanted}, got {got}: {action}"
        self.findings.append(Finding(self.sheet.file, line, spelled(path), message))
        return UNREADABLE

    def _entries(self, block: Block, path: Steps) -> dict[str, tuple[int, Node]]:
        """Return line and value of each key; of a key that comes twice, the first."""
        entries: dict[str, tuple[int, Node]] = {}
        for key, node in block.entries():
            match key:
                case Refused():
                    continue
                case Leaf(text=text) if text in entries:
                    first = entries[text][0]
                    wanted, got = "each key once", f"it again (first on line {first})"
                    self._wrong(key.line, (*path, text), wanted, got, "remove one of them")
                case Leaf(text=text):
                    entries[text] = key.line, node
                case _:
                    self._wrong(key.line, path, "a word as key", came(key), "write 'key: value'")
        return entries

    def _struct(self, block: Block, want: inspect.StructType, path: Steps, line: int) -> Plain:
        known = {each.encode_name: each for each in want.fields}
        result: dict[str, Plain] = {}
        for key, (at, node) in self._entries(block, path).items():
            inner = (*path, key)
            if key in known:
                result[key] = self._keep(inner, at, node, known[key].type)
            else:
                wanted = f"one of {', '.join(known)}"
                self._wrong(
                    at, inner, wanted, "an unknown key", "correct its spelling or remove it"
                )
        for key, each in known.items():
            if each.required and key not in result:
                wanted = expected(each.type)
                self._wrong(line, (*path, key), wanted, "no such key", f"add '{key}:' here")
        return result

    def _dict(self, block: Block, want: inspect.DictType, path: Steps, line: int) -> Plain:
        entries = self._entries(block, path)
        if want.max_length is not None and len(entries) > want.max_length:
            wanted = f"at most {want.max_length} entries"
            return self._wrong(line, path, wanted, str(len(entries)), "remove some")
        return {
            key: self._keep((*path, key), at, node, want.value_type)
            for key, (at, node) in entries.items()
        }

    def _list(self, listing: Listing, want: inspect.VarTupleType, path: Steps) -> Plain:
        count = len(listing.parts)
        if count < (want.min_length or 0) or (want.max_length and count > want.max_length):
            got = f"{count} entries"
            return self._wrong(listing.line, path, expected(want), got, "add or remove some")
        result: list[Plain] = []
        for index, node in enumerate(listing.parts):
            inner = (*path, f"[{index}]")
            value = self.judge(node, want.item_type, inner, node.line)
            if value is not UNREADABLE and value in result:
                self._wrong(node.line, inner, "each entry once", "it again", "remove one of them")
            result.append(value)
        return result

    def _keep(self, path: Steps, line: int, node: Node, want: inspect.Type) -> Plain:
        self.sheet.cells[path] = Cell(line, UNREADABLE)  # before its children: the file's order
        value = self.judge(node, want, path, line)
        self.sheet.cells[path] = Cell(line, value)
        return value


def _block(types: tuple[inspect.Type, ...]) -> inspect.Type | None:
    """Return the one of ``types`` that a block of keys can be: an optional block is one or null."""
    return next((each for each in types if isinstance(each, inspect.StructType)), None)


def _fits(value: Scalar, want: inspect.Type) -> bool:  # noqa: PLR0911 - a table
    match want, value:
        case inspect.UnionType(types=types), _:
            return any(_fits(value, each) for each in types)
        case inspect.NoneType(), _:
            return value is None
        case inspect.LiteralType(values=values), _:
            return any(value == each and type(value) is type(each) for each in values)
        case inspect.BoolType(), bool():
            return True
        case ((inspect.IntType() | inspect.FloatType()), bool()):
            return False
        case inspect.IntType(), int():
            return _within(value, want)
        case inspect.FloatType(), int() | float():
            return _within(value, want)
        case inspect.StrType(), str():
            return _is_text(value, want)
        case _:
            return False


def _within(value: float, want: inspect.IntType | inspect.FloatType) -> bool:
    return (
        (want.ge is None or value >= want.ge)
        and (want.gt is None or value > want.gt)
        and (want.le is None or value <= want.le)
        and (want.lt is None or value < want.lt)
    )


def _is_text(value: str, want: inspect.StrType) -> bool:
    """Control characters and lone surrogates never fit: names and texts go to pages and logs."""
    return (
        value.isprintable()
        and len(value) >= (want.min_length or 0)
        and (want.max_length is None or len(value) <= want.max_length)
        and (want.pattern is None or re.search(want.pattern, value) is not None)
    )
