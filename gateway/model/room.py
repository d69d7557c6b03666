"""What one transaction may still store: the queue says it, the intake keeps to it."""

from dataclasses import dataclass
from typing import Final

from gateway.model.outcome import Stream

MESSAGE_BYTES: Final = 512
"""What a message takes beside its payload, at most: marks, digest, indexes, trace."""


@dataclass(slots=True)
class Room:
    """Bytes that are left for each stream; spent as messages are admitted."""

    alert_bytes: int
    data_bytes: int
    pause: bool
    """Devices are asked to hold their data back."""

    def take(self, stream: Stream, payload_bytes: int) -> bool:
        """Take what a message needs; False, and nothing is taken, if it does not fit."""
        size = payload_bytes + MESSAGE_BYTES
        left = self.alert_bytes if stream is Stream.ALERT else self.data_bytes
        if size > left:
            return False
        self.alert_bytes -= size
        self.data_bytes -= size  # an alert may take what data could have had
        return True


def boundless() -> Room:
    """Return the room of a queue that nothing bounds, as tests and offline tools use it."""
    return Room(1 << 62, 1 << 62, pause=False)
