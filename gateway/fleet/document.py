"""The text of a file that a person wrote, as a typed value or as everything that is wrong with it.

Form first (``tree``), then the type (``shape``), then the rules that join several keys,
which the caller brings. All three report in one run, each finding with line and field.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Generic, TypeVar

import msgspec
from msgspec import inspect

from gateway.fleet.findings import Finding, Unusable, unusable
from gateway.fleet.shape import Judge, Sheet
from gateway.fleet.tree import grow

T = TypeVar("T", bound=msgspec.Struct)


@dataclass(frozen=True, slots=True)
class Document(Generic[T]):
    """A usable file: its value, and the lines on which it says so."""

    value: T
    sheet: Sheet


Rules = Callable[[Sheet], Iterable[Finding]]


def read(text: str | bytes, file: str, kind: type[T], rules: Rules) -> Document[T] | Unusable:
    """Return ``text`` as ``kind``, or all findings. Never raises, whatever ``text`` is.

    ``rules`` sees what could be read, also when other parts of the file are wrong.
    """
    # A lone surrogate is no UTF-8: let through here, it is refused where bytes are decoded.
    content = text.encode("utf-8", "surrogatepass") if isinstance(text, str) else text
    root, findings = grow(content, file)
    if root is None:
        return unusable(findings)
    judge = Judge(file)
    plain = judge.judge(root, inspect.type_info(kind), (), 1)
    findings += [*judge.findings, *rules(judge.sheet)]
    if findings:
        return unusable(findings)
    try:
        return Document(msgspec.convert(plain, kind), judge.sheet)
    except msgspec.ValidationError as error:
        # A constraint that the judge does not know; msgspec stops at the first and has no line.
        message = f"{error}: correct it"
        return Unusable((Finding(file, 1, "", message),))
