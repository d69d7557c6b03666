"""Types of the model in the words of a person who writes a file.

Each finding needs three of them: what was expected, what came, what to do.
"""

from typing import Final

from msgspec import inspect

from gateway.fleet.findings import shown
from gateway.fleet.tree import Block, Leaf, Listing, Node

_PATTERNS: Final = {
    r"^[a-z0-9][a-z0-9-]{0,62}$": (
        "a name of 1 to 63 of a-z, 0-9 and '-', beginning with a letter or digit"
    ),
}


def expected(want: inspect.Type) -> str:  # noqa: C901, PLR0911 - a table: one answer a type
    """Return what ``want`` asks for, as it follows the word "expected"."""
    match want:
        case inspect.BoolType():
            return "true or false"
        case inspect.IntType():
            return f"a whole number{_range(want)}"
        case inspect.FloatType():
            return f"a number{_range(want)}"
        case inspect.StrType(pattern=str(pattern)):
            return _PATTERNS.get(pattern, f"text of the form {pattern}")
        case inspect.StrType():
            return f"text{_size(want.min_length, want.max_length, 'printable characters')}"
        case inspect.LiteralType(values=values):
            return " or ".join(map(str, values))
        case inspect.VarTupleType():
            size = _size(want.min_length, want.max_length, "entries")
            return f"a list{size}, each {expected(want.item_type)}"
        case inspect.UnionType(types=types):
            return " or ".join(expected(each) for each in types)
        case inspect.NoneType():
            return "null"
        case inspect.StructType(fields=fields):
            return f"keys ({', '.join(each.name for each in fields)})"
        case _:
            return "names with values"


def advice(want: inspect.Type, node: Node) -> str:  # noqa: PLR0911 - a table: one answer a type
    """Return what to do where ``node`` came instead of ``want``."""
    match want:
        case inspect.BoolType():
            return "write true or false without quotes"
        case inspect.IntType() | inspect.FloatType():
            if isinstance(node, Leaf) and type(node.value) in {int, float}:
                return "correct the number"
            return "write a decimal number without unit and quotes"
        case inspect.StrType():
            if isinstance(node, Leaf) and isinstance(node.value, str):
                return "correct the text"
            return "write text, in quotes where it looks like something else"
        case inspect.LiteralType(values=values):
            return "choose one of them" if len(values) > 1 else "write just that"
        case inspect.VarTupleType():
            return "write one '- entry' a line"
        case inspect.UnionType(types=types):
            main = next(each for each in types if not isinstance(each, inspect.NoneType))
            return advice(main, node)
        case _:
            return "write one indented 'key: value' a line"


def came(node: Leaf | Listing | Block) -> str:
    """Return what stands in the file, as it follows the word "got"."""
    match node:
        case Leaf(value=None):
            return "nothing"
        case Leaf(value=bool() | int() | float()):
            return node.text
        case Leaf(value=str(text)):
            return f"the text {shown(text)}"
        case Leaf():  # the value is UNCLEAR
            return f"{shown(node.text)}, which YAML readers understand in different ways"
        case Listing():
            return "a list"
        case Block():
            return "a block of keys"


def _range(want: inspect.IntType | inspect.FloatType) -> str:
    if want.ge is not None and want.le is not None:
        return f" from {want.ge} to {want.le}"
    if want.gt is not None:
        return f" greater than {want.gt}"
    return ""


def _size(at_least: int | None, at_most: int | None, what: str) -> str:
    if at_least is None:
        return ""
    return f" of {at_least} {f'to {at_most}' if at_most else 'or more'} {what}"
