"""How the stand-in behaves: is its WAN up, and which fault does it play. One file, D/mode.json.

The command line writes it and the server reads it, so an order survives the server's
restart. Both change it under a lock, because the server counts a fault down.
"""

import fcntl
import os
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Literal

import msgspec

Wan = Literal["up", "down"]
FaultKind = Literal[
    "none", "slow", "refuse", "lose-answer", "captive-portal", "retry-after", "poison"
]


class ModeFaultError(Exception):
    """mode.json cannot be read; who edited it must repair or remove it."""


class Fault(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What happens to the next uploads.

    ``remaining`` uploads are treated so; None means all until told otherwise.
    ``delay_s`` is the delay of ``slow`` and the ``Retry-After`` of ``retry-after``.
    ``poison`` meets only batches whose document holds ``about``.
    """

    kind: FaultKind = "none"
    remaining: Annotated[int, msgspec.Meta(ge=1)] | None = None
    delay_s: Annotated[float, msgspec.Meta(ge=0, le=3600)] = 5.0
    status: Annotated[int, msgspec.Meta(ge=200, le=599)] = 503
    about: Annotated[str, msgspec.Meta(max_length=128)] = ""

    def __post_init__(self) -> None:
        """Require a word of ``poison``.

        Raises:
            ValueError: every batch would hold it.
        """
        if (self.kind == "poison") is not bool(self.about):
            msg = "poison needs --about WORD, and no other fault has it"
            raise ValueError(msg)


NO_FAULT = Fault()


class Mode(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The whole of mode.json."""

    wan: Wan = "up"
    fault: Fault = NO_FAULT


def spend(mode: Mode) -> tuple[Fault, Mode]:
    """Return the fault that the upload at hand meets, and the mode that the next one finds."""
    fault = mode.fault
    if fault.remaining is None:
        return fault, mode
    left = fault.remaining - 1
    rest = msgspec.structs.replace(fault, remaining=left) if left else NO_FAULT
    return fault, msgspec.structs.replace(mode, fault=rest)


class ModeFile:
    """mode.json in ``folder``, changed by one process at a time and never seen half written."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "mode.json"
        self._lock = folder / "mode.lock"

    def read(self) -> Mode:
        """Return what is ordered; a missing file orders nothing.

        Raises:
            ModeFaultError: the file is not what this module writes.
        """
        try:
            return msgspec.json.decode(self._path.read_bytes(), type=Mode)
        except FileNotFoundError:
            return Mode()
        except msgspec.DecodeError as fault:
            msg = f"{self._path}: {fault}; remove the file to begin with WAN up and no fault"
            raise ModeFaultError(msg) from fault

    def change(self, rule: Callable[[Mode], Mode]) -> Mode:
        """Replace the mode by ``rule(mode)`` and return it. No other change comes between."""
        with self._lock.open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            before = self.read()
            after = rule(before)
            if after != before:
                publish(self._path, msgspec.json.encode(after))
            return after

    def take_fault(self) -> Fault:
        """Return the fault for the upload at hand and count it down.

        Crash: counted before it is played, so a killed server plays it once too few, never twice.
        """
        if self.read().fault.remaining is None:
            return self.read().fault
        taken: list[Fault] = []

        def rule(mode: Mode) -> Mode:
            fault, after = spend(mode)
            taken.append(fault)
            return after

        self.change(rule)
        return taken[0]


def publish(path: Path, content: bytes) -> None:
    """Write ``content`` so that a reader sees the old file or the new one, never a part."""
    draft = path.with_name(f"{path.name}.{os.getpid()}.new")
    draft.write_bytes(content)
    draft.replace(path)
