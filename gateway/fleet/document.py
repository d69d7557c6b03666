"""The text of a file that a person wrote, as a typed value or as everything that is wrong with it.

Form first (``tree``), then the type (``shape``), then the rules that join several keys,
which the caller brings. All three report in one run, each finding with line and field.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

import msgspec
from msgspec import inspect

from gateway.fleet.findings import Finding, Unusable, unusable
from gateway.fleet.shape import Judge, Plain, Sheet
from gateway.fleet.tree import grow

T = TypeVar("T", bound=msgspec.Struct)


Block = dict[str, Plain]


@dataclass(frozen=True, slots=True)
class Document(Generic[T]):
    """A usable file: its value, and the lines on which it says so."""

    value: T
    sheet: Sheet
    plain: Block
    """What the file itself says, without defaults."""


Rules = Callable[[Sheet], Iterable[Finding]]


def read(
    text: str | bytes,
    file: str,
    kind: type[T],
    rules: Rules,
    above: Mapping[str, Plain] | None = None,
) -> Document[T] | Unusable:
    """Return ``text`` as ``kind``, or all findings. Never raises, whatever ``text`` is.

    ``rules`` sees what could be read, also when other parts of the file are wrong.
    ``above`` is what a file above this one says: block by block it holds, key by key,
    where ``text`` is silent.
    """
    # A lone surrogate is no UTF-8: let through here, it is refused where bytes are decoded.
    content = text.encode("utf-8", "surrogatepass") if isinstance(text, str) else text
    root, findings = grow(content, file)
    if root is None:
        return unusable(findings)
    judge = Judge(file)
    plain = judge.judge(root, inspect.type_info(kind), (), 1)
    _inherit(judge.sheet, above or {})
    findings += [*judge.findings, *rules(judge.sheet)]
    if findings or not isinstance(plain, dict):
        return unusable(findings)
    try:
        return Document(msgspec.convert(_merged(above or {}, plain), kind), judge.sheet, plain)
    except msgspec.ValidationError as error:
        # A constraint that the judge does not know; msgspec stops at the first and has no line.
        message = f"{error}: correct it"
        return Unusable((Finding(file, 1, "", message),))


def _inherit(sheet: Sheet, above: Mapping[str, Plain]) -> None:
    for name, block in above.items():
        if isinstance(block, dict):
            sheet.inherited.update({(name, key): value for key, value in block.items()})


def _merged(above: Mapping[str, Plain], plain: Block) -> Block:
    merged: Block = dict(plain)
    for name, block in above.items():
        mine = plain.get(name, {})
        if isinstance(block, dict) and isinstance(mine, dict):
            merged[name] = block | mine
    return merged
