"""What a scalar of a YAML text says, where every YAML reader agrees on it.

``yes`` is a boolean to one reader and a word to another, ``010`` is eight or ten,
``1:30`` a text or ninety. Such a scalar is ``UNCLEAR``, and the writer is asked to quote
it or to write it plainly; guessing would make a profile mean two things.
"""

import re
from enum import Enum
from typing import Final

NUMBER_MAX_DIGITS: Final = 15  # what a double holds exactly


class Unclear(Enum):
    """The type of ``UNCLEAR``, so that a type checker tells it from every value."""

    UNCLEAR = "unclear"


UNCLEAR: Final = Unclear.UNCLEAR

Scalar = str | int | float | bool | None

_NUMBER: Final = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?")

# YAML 1.1 and 1.2 together, and a little more: what nothing but digits and signs can mean.
_UNCLEAR: Final = re.compile(
    r"(?i: y | n | yes | no | on | off | true | false | null)"
    r"| [-+.0-9] [-+.:_0-9eE]*"  # 010, +5, 1_000, .5, 1e3, 1:30, 2026-01-31
    r"| [0-9]{4} - [0-9]{1,2} - [0-9]{1,2} [Tt\ \t] .*"  # a date with a time
    r"| [-+]? 0 [xob] [0-9a-fA-F_]*"
    r"| [-+]? \. (?i: inf | nan)"
    r"| << | =",
    re.VERBOSE,
)


def read(text: str, *, quoted: bool) -> Scalar | Unclear:
    """Return what ``text`` says.

    A number is decimal with at most ``NUMBER_MAX_DIGITS`` digits and no exponent, a
    boolean ``true`` or ``false``, nothing is ``null``, ``~`` or an empty place. What is
    quoted is text.
    """
    if quoted:
        return text
    if text in {"", "~", "null"}:
        return None
    if text in {"true", "false"}:
        return text == "true"
    if _NUMBER.fullmatch(text) and sum(map(str.isdigit, text)) <= NUMBER_MAX_DIGITS:
        return float(text) if "." in text else int(text)
    return UNCLEAR if _UNCLEAR.fullmatch(text) else text
