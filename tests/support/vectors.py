"""The shared vectors of the device protocol, as a test takes them up."""

import base64
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from gateway.intake.wire import Read, read
from gateway.model.contract import Contract, ContractInForce
from gateway.model.delivery import Delivery

FOLDER = Path(__file__).parents[1] / "vectors" / "protocol"
CONTRACT = ContractInForce(
    msgspec.json.decode((FOLDER / "contract.json").read_bytes(), type=Contract), "e" * 64
)
Vector = dict[str, Any]


def document(name: str) -> dict[str, Any]:
    """Return the whole file ``name``."""
    found: dict[str, Any] = json.loads((FOLDER / name).read_text(encoding="utf-8"))
    return found


def vectors(name: str) -> list[Vector]:
    """Return the vectors of one file."""
    found: list[Vector] = document(name)["vectors"]
    names = [one["name"] for one in found]
    assert len(set(names)) == len(names) > 0
    return found


def each(name: str, where: Callable[[Vector], Any] = bool) -> pytest.MarkDecorator:
    """Run a test with every vector of one file of which ``where`` is true, under its name."""
    found = [one for one in vectors(name) if where(one)]
    assert found, f"no vector of {name} is left"
    return pytest.mark.parametrize("vector", found, ids=[one["name"] for one in found])


def payload(vector: Vector) -> bytes:
    """Return the bytes on the wire."""
    if "payload_base64" in vector:
        return base64.b64decode(vector["payload_base64"], validate=True)
    return str(vector["payload"]).encode()


def reading(topic: str, raw: bytes, content_type: str = "", *, retained: bool = False) -> Read:
    """Return what the gateway makes of a payload, under the contract of the vectors."""
    return read(Delivery(f"line/cam-01/up/{topic}", raw, retained, content_type, (1, 1)), CONTRACT)
