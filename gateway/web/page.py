"""From the view to HTML, by templates that are handed in as strings.

The page is drawn in parts: an element with an id each. The first answer is all parts in a
frame; an open page is then sent the parts that differ. A part whose value did not change
is not drawn again, so a line of 500 devices costs what changed. Everything that a device
or a person wrote is escaped by the templates, in text and in attributes alike.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import jinja2

from gateway.web import measures, words
from gateway.web.limits import DEVICES_OPEN_MAX
from gateway.web.view import View

TEMPLATES: Final = (
    "frame", "moment", "verdict", "advice", "device", "alert", "link", "queue", "privacy", "note",
    "storage", "gap",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Part:
    """An element: the value that it shows, and its HTML."""

    value: object
    html: str


@dataclass(frozen=True, slots=True)
class Parts:
    """The page at one moment, ready to be framed or compared.

    ``lists`` names, for each list of the page, the ids of its elements in order. ``seen``
    is when each card's device was last heard (Unix ms): it changes far too often to be
    worth drawing a card.
    """

    version: str
    title: str
    now_ms: int
    parts: dict[str, Part]
    lists: dict[str, tuple[str, ...]]
    seen: dict[str, int]


class Page:
    """The templates, compiled once. They come by file name: ``verdict.html`` and so on."""

    def __init__(self, templates: Mapping[str, str]) -> None:
        environment = jinja2.Environment(
            autoescape=True,
            undefined=jinja2.StrictUndefined,
            loader=jinja2.DictLoader(templates),
            trim_blocks=True,
            lstrip_blocks=True,
        )
        environment.filters.update(ago=measures.ago, iso=measures.iso)
        # the stub takes the filters that jinja2 brings for all that there may be
        environment.filters["clock_time"] = measures.clock_time  # pyright: ignore[reportArgumentType]
        self._templates = {name: environment.get_template(f"{name}.html") for name in TEMPLATES}

    def draw(self, view: View, before: Parts | None = None) -> Parts:
        """Return the parts of ``view``, taking over from ``before`` those that are the same."""
        old = {} if before is None else before.parts
        parts: dict[str, Part] = {}

        def put(template: str, key: str, value: object) -> str:
            known = old.get(key)
            if known is not None and known.value == value:
                parts[key] = known
            else:
                html = self._templates[template].render(
                    words=words, key=key, it=value, now_ms=view.now_ms, seen_ms=view.seen.get(key)
                )
                parts[key] = Part(value, html)
            return key

        put("verdict", "verdict", view.verdict)
        put("queue", "queue", view.queue)
        put("privacy", "privacy", view.contracts)
        put("storage", "storage", view.storage)
        put("note", "gaps-note", view.gaps_note)
        put("note", "alerts-note", "" if view.alerts else words.NO_ALERTS)
        put("note", "devices-note", "" if view.look or view.fine else words.NO_DEVICES)
        put("note", "fine-note", words.devices_fine(len(view.fine)))
        lists = {
            "advice": tuple(put("advice", card.advice.key, card) for card in view.advice),
            "devices-look": tuple(put("device", card.key, card) for card in view.look),
            "devices-fine": tuple(put("device", card.key, card) for card in view.fine),
            "alerts": tuple(put("alert", card.key, card) for card in view.alerts),
            "gaps": tuple(put("gap", line.key, line) for line in view.gaps),
            "links": tuple(
                put("link", f"link-{number}", card) for number, card in enumerate(view.links)
            ),
        }
        title = f"{words.TITLES[view.verdict.shape.value]} · {view.site}"
        return Parts(view.version, title, view.now_ms, parts, lists, view.seen)

    def whole(self, view: View) -> str:
        """Return the complete document."""
        drawn = self.draw(view)
        return self._templates["frame"].render(
            words=words,
            view=view,
            title=drawn.title,
            part={key: part.html for key, part in drawn.parts.items()},
            lists=drawn.lists,
            ages=measures.AGO,
            few=DEVICES_OPEN_MAX,
        )
