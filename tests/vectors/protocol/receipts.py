"""What the gateway tells a device: receipts, and the access document."""

from typing import Any, Final

from tests.vectors.protocol.payload import NUMBER_MAX, Document, as_json

HELD: Final = {"epoch": 7, "alert": [1, 3], "data": [1, 20]}
"""The device of these vectors: first and last number that it holds, by stream. It has sent
all of them since its process started, and the gateway had none of them then."""


def receipt(**changes: Any) -> Document:
    """Return a receipt; a change to ``...`` leaves a member out."""
    whole = {"epoch": 7, "alert": 2, "data": 5} | changes
    return {key: value for key, value in whole.items() if value is not ...}


def vector(  # noqa: PLR0913 -- a vector's members
    name: str,
    document: Document,
    then: str,
    *,
    frees: dict[str, int] | None = None,
    gateway: bool = True,
    payload: str = "",
) -> Document:
    """Return a vector: ``gateway`` says that the gateway encodes it exactly so."""
    return {
        "name": name,
        "payload": payload or as_json(document),
        "as_the_gateway_encodes_it": gateway,
        "means": {"pause": [], "refused": [], **document},
        "then": {"do": then, "frees": frees or {}},
    }


def unreadable(name: str, payload: str) -> Document:
    """Return a vector that no gateway sends; the device stays as it is."""
    return {"name": name, "payload": payload, "as_the_gateway_encodes_it": False, "means": None}


def receipts() -> list[Document]:
    """Return all receipts."""
    both = {"alert": 2, "data": 5}
    broken = [["data", 4, "contract"], ["data", 5, "malformed"]]
    far = [["data", 10_006, "beyond-window"]]
    conflict = [["data", 3, "conflict"]]
    return [
        vector("marks of both streams", receipt(), "settle", frees=both),
        vector("nothing yet", receipt(alert=0, data=0), "settle"),
        vector("everything", receipt(alert=3, data=20), "settle", frees={"alert": 3, "data": 20}),
        vector("data shall wait", receipt(pause=["data"]), "settle", frees=both),
        vector("two refused messages", receipt(refused=broken), "settle", frees=both),
        vector("a message beyond the window", receipt(refused=far), "settle", frees=both),
        vector(
            "fifty refusals, the most there are",
            receipt(data=20, refused=[["data", seq, "contract"] for seq in range(1, 51)]),
            "settle",
            frees={"alert": 2, "data": 20},
        ),
        vector("of an epoch that is over", receipt(epoch=6, alert=3, data=20), "ignore"),
        vector("of the largest epoch", receipt(epoch=NUMBER_MAX), "ignore"),
        vector("a conflict", receipt(alert=0, data=0, refused=conflict), "new-epoch"),
        vector(
            "a conflict of an epoch, answering a status",
            receipt(alert=0, data=0, refused=[["data", 1, "conflict"]]),
            "new-epoch",
        ),
        vector(
            "a conflict of an epoch that is over",
            receipt(epoch=6, alert=0, data=0, refused=conflict),
            "ignore",
        ),
        vector(
            "a conflict with marks frees nothing",
            receipt(refused=conflict),
            "new-epoch",
            gateway=False,
        ),
        vector("a data mark above what the device has", receipt(data=21), "new-epoch"),
        vector("an alert mark above what the device has", receipt(alert=4), "new-epoch"),
        vector(
            "with a member of a later version",
            receipt(),
            "settle",
            frees=both,
            gateway=False,
            payload='{"epoch":7,"alert":2,"data":5,"later":{"a":[1]}}',
        ),
        vector(
            "with a reason of a later version",
            receipt(refused=[["alert", 2, "later"]]),
            "settle",
            frees=both,
        ),
        vector(
            "with empty lists and white space",
            receipt(),
            "settle",
            frees=both,
            gateway=False,
            payload='{ "data": 5, "alert": 2,\n "epoch": 7, "pause": [], "refused": [] }',
        ),
        unreadable("nothing", ""),
        unreadable("cut short", '{"epoch":7,"alert":2,"da'),
        unreadable("no epoch", as_json(receipt(epoch=...))),
        unreadable("no data mark", as_json(receipt(data=...))),
        unreadable("a mark as text", as_json(receipt(alert="2"))),
        unreadable("a mark with a fraction", as_json(receipt(alert=1.5))),
        unreadable("a refusal of two members", as_json(receipt(refused=[["data", 1]]))),
    ]


def access(name: str, state: str, window: int, *, may_send: bool, payload: str = "") -> Document:
    """Return the vector of an access document."""
    document: Document = {"state": state, "reasons": [], "until": None, "window": window}
    return {
        "name": name,
        "payload": payload or as_json(document),
        "as_the_gateway_encodes_it": not payload,
        "means": {"state": state, "window": window, "may_send": may_send},
    }


def accesses() -> list[Document]:
    """Return all access documents."""
    return [
        access("admitted", "admitted", 50, may_send=True),
        access("the smallest window", "admitted", 1, may_send=True),
        access("the largest window", "admitted", 1000, may_send=True),
        access("provisional", "provisional", 50, may_send=True),
        access("quarantined", "quarantined", 50, may_send=False),
        access("revoked", "revoked", 50, may_send=False),
        access(
            "without a window: the default",
            "admitted",
            50,
            may_send=True,
            payload='{"state":"admitted","reasons":[],"until":null}',
        ),
        access("a state of a later version", "watched", 50, may_send=False),
        access(
            "with reasons, an end, and a member of a later version",
            "provisional",
            20,
            may_send=True,
            payload='{"state":"provisional","reasons":["verdict-expired"],'
            '"until":1767225600000,"window":20,"later":1}',
        ),
        {
            "name": "no state: the device keeps the document before",
            "payload": '{"window":20}',
            "as_the_gateway_encodes_it": False,
            "means": None,
        },
    ]
