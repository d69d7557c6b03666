"""Which requests are answered, and with which headers.

There is no login yet, so the page listens on loopback only and must also refuse what a
foreign web page can make the technician's browser ask: a name that an attacker points at
127.0.0.1 (DNS rebinding) carries that name in its Host header.
"""

from dataclasses import dataclass
from typing import Final

METHODS: Final = ("GET", "HEAD")
NAMES: Final = ("127.0.0.1", "localhost", "[::1]")

HEADERS: Final = {
    "Content-Security-Policy": "default-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'; object-src 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-store",
}
PICTURE_POLICY: Final = "sandbox; default-src 'none'"


@dataclass(frozen=True, slots=True)
class Refusal:
    """A request that gets no answer but this: HTTP status and a sentence."""

    status: int
    text: str


def check(method: str, hosts: list[str], port: int, *, has_body: bool) -> Refusal | None:
    """Return why a request is refused, or None. ``hosts`` are all its Host headers."""
    if method not in METHODS:
        return Refusal(405, "This page only shows: use GET or HEAD.")
    if len(hosts) != 1 or hosts[0].lower() not in {f"{name}:{port}" for name in NAMES}:
        return Refusal(
            421, f"This page answers only to its own name: open http://127.0.0.1:{port}/"
        )
    if has_body:
        return Refusal(413, "This page takes no request body.")
    return None
