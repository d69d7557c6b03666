"""How long to wait before the next try: full jitter, or what the cloud asked for.

Full jitter draws the whole wait, not a part of it, so that the gateways of a company do
not come back in step after an outage of the cloud.
"""

import re
from typing import Final

BASE_S: Final = 1.0
RETRY_AFTER_MAX_S: Final = 3600.0
"""A longer wish is not honoured: a mistake in it must not silence a site for a day."""
DOUBLINGS_MAX: Final = 30

_SECONDS: Final = re.compile(r"[0-9]{1,9}")


def chance(random_bytes: bytes) -> float:
    """Return a number in [0, 1) from seven or more random bytes; seven fill a float's 53 bits."""
    return (int.from_bytes(random_bytes[:7], "big") >> 3) / 2**53


def delay_s(failures: int, drawn: float, ceiling_s: float, retry_after_s: float | None) -> float:
    """Return the seconds to wait after ``failures`` tries in a row have failed.

    ``drawn`` is the chance, in [0, 1). A ``retry_after_s`` is never undercut, and is
    itself spread a little; it is cut to an hour.
    """
    doublings = min(max(failures, 1) - 1, DOUBLINGS_MAX)
    jittered = drawn * min(ceiling_s, BASE_S * 2.0**doublings)
    if retry_after_s is None:
        return jittered
    return max(jittered, min(retry_after_s, RETRY_AFTER_MAX_S) + drawn * BASE_S)


def retry_after_s(header: str | None) -> float | None:
    """Return the seconds that a Retry-After header asks for (RFC 9110, 10.2.3).

    None when there is no header or it is none. The form with a date is not taken: it
    would need our clock to agree with the cloud's, which nobody promises.
    """
    if header is None or _SECONDS.fullmatch(header.strip()) is None:
        return None
    return float(header)
