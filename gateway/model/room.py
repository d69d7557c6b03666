"""What one transaction may still store: the queue says it, the intake keeps to it."""

from dataclasses import dataclass
from typing import Final

from gateway.model.outcome import Stream

MESSAGE_BYTES: Final = 512
"""What a message takes beside its payload, at most: marks, digest, indexes, trace."""
ALERT_BYTES: Final = 384
"""What each alert in a message takes beside that: a row for the page, encrypted by itself."""


@dataclass(slots=True)
class Room:
    """Bytes that are left for each stream; spent as messages are admitted."""

    alert_bytes: int
    data_bytes: int
    pause: bool
    """Devices are asked to hold their data back."""

    def take(self, stream: Stream, payload_bytes: int, alerts: int = 0) -> bool:
        """Take what a message with so many alerts needs; False if it does not fit.

        Then nothing is taken, and a smaller one may still fit.
        """
        size = payload_bytes + MESSAGE_BYTES + alerts * ALERT_BYTES
        left = self.alert_bytes if stream is Stream.ALERT else self.data_bytes
        if size > left:
            return False
        self.alert_bytes -= size
        self.data_bytes -= size  # an alert may take what data could have had
        return True


def boundless() -> Room:
    """Return the room of a queue that nothing bounds, as tests and offline tools use it."""
    return Room(1 << 62, 1 << 62, pause=False)
