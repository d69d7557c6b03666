"""The event stream's wire form: one server-sent event says what differs.

An event is JSON, so it holds no line break, and its HTML is escaped by the templates; the
page's script parses it without running anything. An event without a difference is still
sent: a page that hears nothing for five seconds says that the connection is lost.
"""

import msgspec

from gateway.web.page import Parts

RETRY_MS = 1_000


class Event(msgspec.Struct, frozen=True, omit_defaults=True):
    """What changed since the previous event on the same connection."""

    version: str
    title: str
    now_ms: int
    parts: dict[str, str] = {}
    """HTML of each new or changed element, by its id."""
    lists: dict[str, tuple[str, ...]] = {}
    """Ids in order, for each list that changed; what is not named leaves the list."""
    seen: dict[str, int] = {}
    """Unix ms, by card."""


def opening() -> bytes:
    """Return how soon a browser connects again."""
    return f"retry: {RETRY_MS}\n\n".encode()


def event(sent: Parts | None, now: Parts) -> bytes:
    """Return the event that turns a page showing ``sent`` into ``now``; all of it for None.

    A part that did not change is the same object in both: ``Page.draw`` takes it over.
    """
    old_parts = {} if sent is None else sent.parts
    old_lists = {} if sent is None else sent.lists
    old_seen = {} if sent is None else sent.seen
    difference = Event(
        now.version,
        now.title,
        now.now_ms,
        parts={key: part.html for key, part in now.parts.items() if old_parts.get(key) is not part},
        lists={key: ids for key, ids in now.lists.items() if old_lists.get(key) != ids},
        seen={key: ms for key, ms in now.seen.items() if old_seen.get(key) != ms},
    )
    return b"data: " + msgspec.json.encode(difference) + b"\n\n"
