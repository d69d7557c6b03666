"""A message as the broker hands it over, before anybody has looked inside."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Delivery:
    """One message. ``token`` acknowledges it, on the connection that delivered it only."""

    topic: str
    payload: bytes
    retained: bool
    content_type: str
    """MQTT 5's content type; empty where the device gave none."""
    token: tuple[int, int]

    def __repr__(self) -> str:
        return f"Delivery({self.topic}, {len(self.payload)} bytes)"
