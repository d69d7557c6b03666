"""What can be wrong with what devices send, and what to do first."""

from typing import Final

from gateway.model.problem import Problem, Severity

KEY_CONFLICT: Final = Problem(
    "device-key-conflict",
    Severity.WARNING,
    "A device sent two different messages under one number",
    "Its storage was restored or copied, or two devices use one identity.",
    "Ask who restored or cloned this device. If nobody did, unplug it and call the "
    "security officer: somebody may be using its key.",
)

DEAD_LETTERS: Final = Problem(
    "dead-letters-many",
    Severity.WARNING,
    "A device sends messages that its data contract refuses",
    "Firmware and contract do not fit each other; the messages are kept as dead letters.",
    "Show the detail to the firmware developer, or correct contract.yaml of the device's profile.",
)

WRITE_FAILED: Final = Problem(
    "disk-write-failed",
    Severity.CRITICAL,
    "The gateway cannot write to its disk",
    "The disk answers with errors, or a file of the gateway does not let it in. Devices keep their "
    "messages; nothing is receipted. A full or read-only disk has a message of its own.",
    "Read the system's log (dmesg) for errors of the disk and replace it if it has any; else check "
    "owner and rights of the gateway's state folder. Then watch this message go away.",
)

FRAME_REFUSED: Final = Problem(
    "camera-frame-refused",
    Severity.WARNING,
    "A device tried to send a picture of its camera feed",
    "Its pictures are larger than the part of a frame that its data contract allows, or it "
    "hides a picture in text. Nothing of it was kept.",
    "Ask the firmware developer why this device sends pictures. If nobody meant it to, unplug it "
    "and call the security officer.",
)

NOISY: Final = Problem(
    "device-noisy",
    Severity.WARNING,
    "A device was cut off because it sends far too much",
    "It runs wild, or somebody uses its key. It may say only that it is there until the time in "
    "the detail; then it is let in again, and cut off for twice as long if it goes on.",
    "Restart the device, or correct its program. If it is right that it sends so much, raise "
    "intake.device_messages_per_s.",
)

OVER_SHARE: Final = Problem(
    "device-over-share",
    Severity.WARNING,
    "A device sends more than its share, and what is over it is refused",
    "It sends more than intake.device_messages_per_s or device_bytes_per_s in the long run. With "
    "receipts nothing is lost: it sends again. By a topic map, what is refused is gone.",
    "Let it send less: gather readings, lower its rate. Or raise its share.",
)

ALL: Final = (KEY_CONFLICT, DEAD_LETTERS, FRAME_REFUSED, WRITE_FAILED, NOISY, OVER_SHARE)
