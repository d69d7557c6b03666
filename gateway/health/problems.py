"""What can be wrong with the site's own numbers, and what to do first."""

from typing import Final

from gateway.model.problem import Problem, Severity

HORIZON_SHORT: Final = Problem(
    "horizon-short",
    Severity.WARNING,
    "The site would not survive the outage that it is planned for",
    "More comes in than was planned, or the room or the retention is too small for it.",
    "Platform engineer: 'site-gateway spool horizon' names the setting that is too small. "
    "Raise it, or keep less by contract.",
)

ALL: Final = (HORIZON_SHORT,)
