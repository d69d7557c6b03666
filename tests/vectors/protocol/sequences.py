"""Stories of one device: what it sends, step by step, and the receipt that each step makes.

Each step is one commit of the gateway. A real gateway may gather several messages into one
commit, and then sends the last of their receipts, with the refusals of all.
"""

from typing import Any

from tests.vectors.protocol.payload import JSON, Document, alert, as_json, envelope, log
from tests.vectors.protocol.statuses import status

RESTART: Document = {"restart": True}
"""The gateway's process ends and starts again on the same disk."""


def step(topic: str, payload: str, answer: Document | None, **more: Any) -> Document:
    """Return one step."""
    return {"topic": topic, "content_type": JSON, **more, "payload": payload, "receipt": answer}


def marks(alerts: int, data: int, *refused: tuple[str, int, str], epoch: int = 7) -> Document:
    """Return a receipt."""
    listed = {"refused": [list(one) for one in refused]} if refused else {}
    return {"epoch": epoch, "alert": alerts, "data": data, **listed}


def conflict(stream: str, seq: int, *, epoch: int = 7) -> Document:
    """Return the receipt that asks for a new epoch."""
    return marks(0, 0, (stream, seq, "conflict"), epoch=epoch)


def data(
    seq: int,
    answer: Document | None,
    *,
    base: int = 1,
    epoch: int = 7,
    content: str = "",
    **changes: Any,
) -> Document:
    """Return a log message; ``content`` tells it from others of its number."""
    item = log(message=content) if content else log()
    head = {"seq": seq, "base": base, "epoch": epoch, "type": "log"}
    return step("data", as_json(envelope([item], **head | changes)), answer)


def raise_alert(seq: int, answer: Document, *, base: int = 1, epoch: int = 7) -> Document:
    """Return a message with one alert."""
    whole = envelope([alert(id=f"a-{seq}")], seq=seq, base=base, epoch=epoch)
    return step("alert", as_json(whole), answer)


def ask(
    answer: Document | None, alerts: int = 0, datas: int = 0, *, epoch: int = 7, **changes: Any
) -> Document:
    """Return a status."""
    last = {"epoch": epoch, "alert": alerts, "data": datas}
    more = {"retained": True} if changes.pop("retained", False) else {}
    return step("status", as_json(status(slots=[], last=last, **changes)), answer, **more)


def sequence(name: str, *steps: Document, kept: Document, dead: list[list[Any]] | None = None):
    """Return a vector. ``kept`` and ``dead`` are what is on the gateway's disk at the end."""
    return {"name": name, "steps": list(steps), "kept": kept, "dead_letters": dead or []}


def marks_move() -> list[Document]:
    """Return how marks move."""
    undeclared = [log(fields={"speed": 1})]
    return [
        sequence(
            "in order, each stream for itself",
            ask(marks(0, 0)),
            data(1, marks(0, 1)),
            raise_alert(1, marks(1, 1)),
            data(2, marks(1, 2)),
            raise_alert(2, marks(2, 2)),
            kept={"7": {"alert": [1, 2], "data": [1, 2]}},
        ),
        sequence(
            "a hole holds the mark until it is filled, also over a restart",
            data(1, marks(0, 1)),
            data(3, marks(0, 1)),
            RESTART,
            data(4, marks(0, 1)),
            data(2, marks(0, 4)),
            kept={"7": {"alert": [], "data": [1, 2, 3, 4]}},
        ),
        sequence(
            "a resend is the same message, whatever its base",
            data(1, marks(0, 1)),
            data(2, marks(0, 2)),
            data(1, marks(0, 2)),
            RESTART,
            data(2, marks(0, 2), base=2),
            kept={"7": {"alert": [], "data": [1, 2]}},
        ),
        sequence(
            "a declared gap moves the mark",
            data(1, marks(0, 1)),
            data(6, marks(0, 6), base=6),
            data(7, marks(0, 7), base=6),
            kept={"7": {"alert": [], "data": [1, 6, 7]}},
        ),
        sequence(
            "a gap that ends before the seq still waits for what lies between",
            data(6, marks(0, 3), base=4),
            data(4, marks(0, 4), base=4),
            data(5, marks(0, 6), base=4),
            kept={"7": {"alert": [], "data": [4, 5, 6]}},
        ),
        sequence(
            "a gap is declared over messages that came out of order",
            data(3, marks(0, 0)),
            data(6, marks(0, 6), base=6),
            data(3, marks(0, 6)),
            kept={"7": {"alert": [], "data": [3, 6]}},
        ),
        sequence(
            "what comes late into a declared gap is kept once",
            data(6, marks(0, 6), base=6),
            data(3, marks(0, 6)),
            RESTART,
            data(3, marks(0, 6)),
            kept={"7": {"alert": [], "data": [3, 6]}},
        ),
        sequence(
            "a gap of one stream says nothing about the other",
            raise_alert(1, marks(1, 0)),
            data(9, marks(1, 9), base=9),
            raise_alert(3, marks(1, 9)),
            kept={"7": {"alert": [1, 3], "data": [9]}},
        ),
        sequence(
            "a dead letter keeps its place",
            data(1, marks(0, 1)),
            data(2, marks(0, 2, ("data", 2, "contract")), items=undeclared),
            data(3, marks(0, 3, ("data", 3, "malformed")), mono_ms=-1),
            data(2, marks(0, 3), items=undeclared),
            data(4, marks(0, 4)),
            kept={"7": {"alert": [], "data": [1, 4]}},
            dead=[[7, "data", 2, "contract"], [7, "data", 3, "malformed"]],
        ),
        sequence(
            "without a readable place there is no receipt, and the mark stands",
            data(1, marks(0, 1)),
            data(2, None, base=0),
            data(3, marks(0, 1)),
            kept={"7": {"alert": [], "data": [1, 3]}},
            dead=[[None, None, None, "malformed"]],
        ),
        sequence(
            "a seq more than 10,000 beyond the mark is refused, and welcome later",
            data(10_001, marks(0, 0, ("data", 10_001, "beyond-window"))),
            data(1, marks(0, 1)),
            data(10_001, marks(0, 1)),
            kept={"7": {"alert": [], "data": [1, 10_001]}},
            dead=[[7, "data", 10_001, "beyond-window"]],
        ),
        sequence(
            "the window is counted from the base where that is higher",
            data(1_000_000, marks(0, 999_994), base=999_995),
            data(1_009_995, marks(0, 999_994, ("data", 1_009_995, "beyond-window")), base=999_995),
            kept={"7": {"alert": [], "data": [1_000_000]}},
            dead=[[7, "data", 1_009_995, "beyond-window"]],
        ),
    ]


def epochs_change() -> list[Document]:
    """Return how epochs begin and end."""
    first = [data(1, marks(0, 1, epoch=epoch), epoch=epoch) for epoch in (11, 12, 13, 14)]
    spaced = as_json(envelope([log()], seq=1, type="log")).replace('"severity":', '"severity": ')
    return [
        sequence(
            "a status of an unknown epoch is answered, and opens none",
            ask(marks(0, 0, epoch=99), epoch=99),
            *first,
            *(ask(marks(0, 0, epoch=epoch), epoch=epoch) for epoch in range(20, 30)),
            data(2, marks(0, 2, epoch=11), epoch=11),
            kept={
                str(epoch): {"alert": [], "data": [1, 2][: 1 + (epoch == 11)]}
                for epoch in (11, 12, 13, 14)
            },
        ),
        sequence(
            "a status is answered with the marks of the epoch that it names",
            data(1, marks(0, 1)),
            data(1, marks(0, 1, epoch=8), epoch=8),
            data(2, marks(0, 2, epoch=8), epoch=8),
            ask(marks(0, 1), 0, 1),
            ask(marks(0, 2, epoch=8), 0, 2, epoch=8),
            kept={"7": {"alert": [], "data": [1]}, "8": {"alert": [], "data": [1, 2]}},
        ),
        sequence(
            "a last will and a status that the broker had kept are not answered",
            data(1, marks(0, 1)),
            ask(None, 0, 1, state="offline"),
            ask(None, 0, 1, retained=True),
            kept={"7": {"alert": [], "data": [1]}},
        ),
        sequence(
            "a rolled-back device hears a mark above its own numbers",
            *(data(seq, marks(0, seq)) for seq in (1, 2, 3)),
            ask(marks(0, 3), 0, 1),
            ask(marks(0, 0, epoch=8), 0, 1, epoch=8),
            data(1, marks(0, 1, epoch=8), epoch=8),
            kept={"7": {"alert": [], "data": [1, 2, 3]}, "8": {"alert": [], "data": [1]}},
        ),
        sequence(
            "a rolled-back device that overtook the mark hears of a conflict",
            *(data(seq, marks(0, seq), content="first life") for seq in (1, 2, 3)),
            ask(marks(0, 3), 0, 4),
            data(2, conflict("data", 2), content="second life", base=2),
            data(3, conflict("data", 3), content="second life", base=2),
            data(4, conflict("data", 4), content="second life", base=2),
            *(
                data(seq, marks(0, seq, epoch=8), content="second life", epoch=8)
                for seq in (1, 2, 3)
            ),
            kept={"7": {"alert": [], "data": [1, 2, 3]}, "8": {"alert": [], "data": [1, 2, 3]}},
        ),
        sequence(
            "a conflicted epoch stays conflicted, in both streams and over a restart",
            raise_alert(1, marks(1, 0)),
            data(1, marks(1, 1)),
            data(1, conflict("data", 1), content="other"),
            data(1, conflict("data", 1)),
            raise_alert(2, conflict("alert", 2)),
            RESTART,
            data(2, conflict("data", 2)),
            ask(conflict("data", 1), 2, 2),
            kept={"7": {"alert": [1], "data": [1]}},
        ),
        sequence(
            "a resend that is encoded in another way is another content",
            data(1, marks(0, 1)),
            step("data", spaced, conflict("data", 1)),
            kept={"7": {"alert": [], "data": [1]}},
        ),
        sequence(
            "a resend with another time is another content",
            data(1, marks(0, 1)),
            data(1, conflict("data", 1), time=1_767_225_600_001),
            kept={"7": {"alert": [], "data": [1]}},
        ),
        sequence(
            "a fifth epoch closes the one that rested longest",
            *first,
            data(2, marks(0, 2, epoch=11), epoch=11),
            data(1, marks(0, 1, epoch=15), epoch=15),
            data(1, conflict("data", 1, epoch=12), epoch=12),
            data(2, conflict("data", 2, epoch=12), epoch=12),
            ask(conflict("data", 1, epoch=12), 0, 1, epoch=12),
            RESTART,
            data(3, marks(0, 3, epoch=11), epoch=11),
            data(2, marks(0, 2, epoch=13), epoch=13),
            kept={
                "11": {"alert": [], "data": [1, 2, 3]},
                "12": {"alert": [], "data": [1]},
                "13": {"alert": [], "data": [1, 2]},
                "14": {"alert": [], "data": [1]},
                "15": {"alert": [], "data": [1]},
            },
        ),
        sequence(
            "what lies more than 10,000 behind the mark is a conflict: its digest is gone",
            data(1, marks(0, 1)),
            data(10_001, marks(0, 10_001), base=10_001),
            data(1, conflict("data", 1)),
            kept={"7": {"alert": [], "data": [1, 10_001]}},
        ),
    ]


def vectors() -> list[Document]:
    """Return all of them."""
    return [*marks_move(), *epochs_change()]
