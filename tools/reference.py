"""Write the tables of docs/configuration.md and docs/problems.md from the code, and copy one page.

A key's words are the docstring below its field in ``gateway/<capability>/limits.py``
(``[site]``: in ``gateway/config.py``); a problem's words are its own fields in
``gateway/<capability>/problems.py``. What stands above the line ``MARK`` in a document is
written by hand and kept.

Run by ``make docs``; a test fails when the documents and the code differ.
"""

import ast
import importlib
import inspect
import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Final

import msgspec
from msgspec import inspect as shapes

from gateway.config import Config
from gateway.model.problem import Problem

ROOT: Final = Path(__file__).parents[1]
MARK: Final = "<!-- From here on `make docs` writes. -->"
CONFIGURATION: Final = "docs/configuration.md"
PROBLEMS: Final = "docs/problems.md"
DURABILITY: Final = "docs/durability.md"
SERVED: Final = "gateway/web/static/durability.md"
"""The page serves it, and the wheel holds no ``docs``."""
UNBOUNDED: Final = "any number"


@dataclass(frozen=True, slots=True)
class Key:
    """One key of gateway.toml."""

    section: str
    name: str
    allowed: str
    default: str
    words: str


def keys() -> list[Key]:
    """Return every key of every section, in the order of the code."""
    return [
        key
        for section in msgspec.structs.fields(Config)
        for key in _keys_of(section.encode_name, section.type)
    ]


def undeclared() -> list[str]:
    """Return the sections that a capability declares and ``gateway.config`` does not compose."""
    composed = {section.type for section in msgspec.structs.fields(Config)}
    return [
        f"{module.__name__}.{name}"
        for module in _modules("limits.py")
        for name, value in vars(module).items()
        if inspect.isclass(value)
        and issubclass(value, msgspec.Struct)
        and value.__module__ == module.__name__
        and value not in composed
    ]


def problems() -> list[Problem]:
    """Return every problem that the gateway can report, by code."""
    found = [
        value
        for module in _modules("problems.py")
        for value in vars(module).values()
        if isinstance(value, Problem)
    ]
    return sorted(found, key=lambda problem: problem.code)


def documents() -> dict[str, str]:
    """Return each document's name and what it has to hold."""
    tables = {
        CONFIGURATION: "\n".join(_configuration(keys())),
        PROBLEMS: "\n".join(_problems(problems())),
    }
    written = {name: _head(name) + MARK + "\n\n" + table for name, table in tables.items()}
    return written | {SERVED: (ROOT / DURABILITY).read_text(encoding="utf-8")}


def _modules(file: str) -> Iterator[ModuleType]:
    for path in sorted(ROOT.glob(f"gateway/*/{file}")):
        yield importlib.import_module(f"gateway.{path.parent.name}.{path.stem}")


def _keys_of(section: str, struct: type[msgspec.Struct]) -> Iterator[Key]:
    words = _words_below_fields(struct)
    tables: list[tuple[str, type[msgspec.Struct]]] = []
    for field in msgspec.structs.fields(struct):
        shape = shapes.type_info(field.type)
        yield Key(
            section,
            field.encode_name,
            _allowed(shape),
            "required" if field.required else f"`{_default(field)}`",
            words.get(field.name, ""),
        )
        match shape:
            case shapes.VarTupleType(item_type=shapes.StructType(cls=table)):
                tables.append((f"[{section}.{field.encode_name}]", table))
            case _:
                pass
    for name, table in tables:  # an array of tables, [[section.name]]
        yield from _keys_of(name, table)


def _words_below_fields(struct: type[msgspec.Struct]) -> dict[str, str]:
    """Return the string that stands below each annotated field, which Python itself drops."""
    lines = [
        statement
        for node in ast.parse(inspect.getsource(struct)).body
        if isinstance(node, ast.ClassDef)
        for statement in node.body
    ]
    found: dict[str, str] = {}
    for field, below in itertools.pairwise(lines):
        match field, below:
            case (
                ast.AnnAssign(target=ast.Name(id=name)),
                ast.Expr(value=ast.Constant(value=str(words))),
            ):
                found[name] = " ".join(words.split()).replace("``", "`")
            case _:
                pass
    return found


def _default(field: msgspec.structs.FieldInfo) -> str:
    value = field.default
    if value is msgspec.NODEFAULT:
        value = field.default_factory()
    return msgspec.json.encode(value).decode()


def _allowed(shape: shapes.Type) -> str:
    match shape:
        case shapes.IntType() | shapes.FloatType():
            return _bounds(shape)
        case shapes.StrType():
            return _text(shape)
        case shapes.BoolType():
            return "true or false"
        case shapes.LiteralType(values=values):
            return " or ".join(f'`"{value}"`' for value in values)
        case shapes.ListType(item_type=item) | shapes.VarTupleType(item_type=item):
            tables = isinstance(item, shapes.StructType)
            return "tables, see below" if tables else f"list of {_allowed(item)}"
        case _:
            return type(shape).__name__.removesuffix("Type").lower()


def _bounds(shape: shapes.IntType | shapes.FloatType) -> str:
    if shape.ge is None or shape.le is None:
        return UNBOUNDED
    return f"{shape.ge:,} to {shape.le:,}"


def _text(shape: shapes.StrType) -> str:
    if shape.pattern is not None:
        return f"text like `{shape.pattern}`"
    if shape.max_length is not None:
        return f"text, at most {shape.max_length:,} characters"
    return "text"


def _configuration(found: list[Key]) -> Iterator[str]:
    for section in dict.fromkeys(key.section for key in found):
        yield f"## `[{section}]`\n"
        yield "| key | allowed | default | meaning |"
        yield "|---|---|---|---|"
        for key in found:
            if key.section == section:
                cells = (f"`{key.name}`", key.allowed, key.default, key.words)
                yield "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"
        yield ""


def _problems(found: list[Problem]) -> Iterator[str]:
    for problem in found:
        yield f"## {problem.code}\n"
        yield f"**{problem.title}** ({problem.severity.value})\n"
        yield f"{problem.cause}\n"
        yield f"*First:* {problem.action}\n"


def _head(name: str) -> str:
    path = ROOT / name
    if path.exists():
        above, mark, _ = path.read_text(encoding="utf-8").partition(MARK)
        if mark:
            return above
    return HEADS[name]


HEADS: Final = {
    CONFIGURATION: """# gateway.toml, key by key

`site-gateway init` writes the file, `site-gateway config check` judges it: an unknown key, a
wrong type or a value out of its bounds is an error that names the key. A key that is absent has
its default. Paths are relative to the folder of the file. Every number has its unit in its name.

""",
    PROBLEMS: """# Problems, and what to do first

The page, `site-gateway status` and the log name a problem by its code. A code never changes its
meaning. *Critical*: the line or its data is at risk now. *Warning*: becomes critical if nobody
acts. *Notice*: works, but somebody should know.

""",
}


if __name__ == "__main__":
    for document, text in documents().items():
        (ROOT / document).write_text(text, encoding="utf-8")
        print(f"wrote {document}")
