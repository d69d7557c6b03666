"""What is wrong with a file that a person wrote, said so that the person can mend it.

A finding is a value, not an exception: a reader collects all of them, because nobody
wants to correct a file one mistake a run. Texts from the file are shown shortened and
escaped, so that a hostile file cannot write control sequences into a terminal or a log.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

SHOWN_CHARS: Final = 40
FINDINGS_MAX: Final = 100


@dataclass(frozen=True, slots=True, order=True)
class Finding:
    """One mistake. ``line`` is 0 for a file as such, that cannot be read.

    ``field`` is a path such as ``hardware.ram_mb``, or empty.
    """

    file: str
    line: int
    field: str
    message: str
    """What was expected, what came and what to do, in one sentence."""

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}" if self.line else self.file
        return (
            f"{place}: {self.field}: {self.message}" if self.field else f"{place}: {self.message}"
        )


@dataclass(frozen=True, slots=True)
class Unusable:
    """The file gives no value. At least one finding, in the order of the file."""

    findings: tuple[Finding, ...]

    def __str__(self) -> str:
        return "\n".join(str(finding) for finding in self.findings)


def unusable(findings: Sequence[Finding]) -> Unusable:
    """Return the findings in order, at most ``FINDINGS_MAX`` and then how many were left out."""
    ordered = sorted(findings)
    kept = ordered[:FINDINGS_MAX]
    if len(ordered) > len(kept):
        last = kept[-1]
        rest = f"and {len(ordered) - len(kept)} more findings: correct these first"
        kept.append(Finding(last.file, last.line, "", rest))
    return Unusable(tuple(kept))


def shown(text: str) -> str:
    """Return ``text`` in quotes, escaped, and cut to ``SHOWN_CHARS`` characters."""
    return repr(text if len(text) <= SHOWN_CHARS else text[: SHOWN_CHARS - 3] + "...")
