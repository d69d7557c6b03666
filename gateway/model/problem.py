"""The shape of a problem: what is wrong, and what a person does first.

Each capability lists its own in its ``problems.py``. A code leaves the process (page,
``status --json``, logs), so it is spelled for ever; ``docs/problems.md`` explains each.
"""

from dataclasses import dataclass
from enum import Enum


class Severity(Enum):
    """How soon a person must act."""

    CRITICAL = "critical"  # the line or its data is at risk now
    WARNING = "warning"  # will become critical if nobody acts
    NOTICE = "notice"  # works, but somebody should know


@dataclass(frozen=True, slots=True)
class Problem:
    """One entry of the vocabulary."""

    code: str
    severity: Severity
    title: str
    """What a technician reads first, in plain words."""
    cause: str
    action: str
    """The first thing to do, addressed to the person who can do it."""


@dataclass(frozen=True, slots=True)
class Raised:
    """A problem that stands now. ``subject`` is a device id or a part of the gateway."""

    problem: Problem
    subject: str
    detail: str = ""
