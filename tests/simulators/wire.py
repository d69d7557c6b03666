"""A cable between two network namespaces that shapes, delays, loses and cuts: a program.

    wire.py NAMESPACE_A CIDR_A NAMESPACE_B CIDR_B CONTROL_FILE

One TAP device ``wan0`` appears in each namespace, and this program carries the frames between
them: real packets, so that TLS, keepalive and reconnection meet what they meet outside. It
needs root and no queueing discipline of the kernel, so it does the same everywhere. It
prints ``ready``; the devices go with it.

CONTROL_FILE is one JSON object, ``Line`` below. It is read at the start and at SIGHUP, and
each reading is answered with a line ``line N``, N counting them.
"""

import ctypes
import fcntl
import heapq
import json
import os
import random
import select
import signal
import struct
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

DEVICE = "wan0"
CLONE_NEWNET = 0x40000000
TUNSETIFF = 0x400454CA
IFF_TAP_NO_PI = 0x1002
FRAME_MAX_BYTES = 2_048
BURST_FRAMES = 64
IN_FLIGHT_MAX_FRAMES = 100_000

_libc = ctypes.CDLL(None, use_errno=True)


@dataclass(frozen=True)
class Line:
    """What the line is like now, the same in both directions."""

    delay_s: float = 0.0
    """One way."""
    jitter_s: float = 0.0
    """Up to so much more, drawn for each frame; a frame never overtakes another."""
    loss: float = 0.0
    """The share of frames that are lost."""
    bits_per_s: float = 0.0
    """0: as fast as frames come."""
    queue_s: float = 1.0
    """What would wait longer for its turn is dropped."""
    cut: bool = False
    """Every frame is lost in silence: nobody closes anything, as when a cable breaks."""


def enter(namespace: str) -> int:
    """Move this thread into a network namespace; return a descriptor of the one it left."""
    home = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
    there = os.open(f"/run/netns/{namespace}", os.O_RDONLY)
    try:
        move(there)
    finally:
        os.close(there)
    return home


def move(namespace: int) -> None:
    """Move this thread into the namespace of a descriptor."""
    if _libc.setns(namespace, CLONE_NEWNET) != 0:
        error = ctypes.get_errno()
        raise OSError(error, f"setns: {os.strerror(error)}")


def open_tap(namespace: str, cidr: str) -> int:
    """Make ``wan0`` with an address in a namespace; it lives as long as the descriptor."""
    home = enter(namespace)
    try:
        tap = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
        fcntl.ioctl(tap, TUNSETIFF, struct.pack("16sH22x", DEVICE.encode(), IFF_TAP_NO_PI))
        subprocess.run(["ip", "addr", "add", cidr, "dev", DEVICE], check=True)
        subprocess.run(["ip", "link", "set", DEVICE, "up"], check=True)
    finally:
        move(home)
        os.close(home)
    return tap


class Direction:
    """Frames of one direction under way, in order."""

    def __init__(self, to: int) -> None:
        self._to = to
        self._free_at = 0.0
        self._last_due = 0.0
        self._frames: list[tuple[float, int, bytes]] = []
        self._number = 0

    def take(self, frame: bytes, line: Line, now: float) -> None:
        """Put a frame on its way, or lose it."""
        if line.cut or random.random() < line.loss or len(self._frames) >= IN_FLIGHT_MAX_FRAMES:
            return
        if line.bits_per_s:
            if self._free_at - now > line.queue_s:
                return
            self._free_at = max(now, self._free_at) + len(frame) * 8 / line.bits_per_s
        begins = max(now, self._free_at) if line.bits_per_s else now
        due = begins + line.delay_s + random.random() * line.jitter_s
        self._last_due = max(self._last_due, due)  # no overtaking, whatever the jitter
        self._number += 1
        heapq.heappush(self._frames, (self._last_due, self._number, frame))

    def lose_all(self) -> None:
        """A cut line loses what is under way too."""
        self._frames.clear()

    def give(self, now: float) -> float | None:
        """Hand over what is due; return the seconds to the next, None when nothing is left."""
        while self._frames and self._frames[0][0] <= now:
            _, _, frame = heapq.heappop(self._frames)
            try:
                os.write(self._to, frame)
            except OSError:
                continue  # the far device is full: a cable drops
        return self._frames[0][0] - now if self._frames else None


def carry(left: int, right: int, control: Path) -> None:
    """Carry frames until a signal ends the process."""
    ways = {left: Direction(right), right: Direction(left)}
    woken, wake = os.pipe()
    os.set_blocking(wake, False)
    signal.set_wakeup_fd(wake)
    signal.signal(signal.SIGHUP, lambda *_: None)
    readings = 0

    def read() -> Line:
        nonlocal readings
        line = Line(**json.loads(control.read_text()))
        readings += 1
        if line.cut:
            for way in ways.values():
                way.lose_all()
        print(f"line {readings}", flush=True)
        return line

    print("ready", flush=True)
    line = read()
    while True:
        waits = [wait for way in ways.values() if (wait := way.give(time.monotonic())) is not None]
        timeout = max(0.0, min(waits)) if waits else None
        readable, _, _ = select.select([left, right, woken], [], [], timeout)
        if woken in readable:
            os.read(woken, 64)
            line = read()
        for tap in (left, right):
            if tap not in readable:
                continue
            for _ in range(BURST_FRAMES):
                try:
                    frame = os.read(tap, FRAME_MAX_BYTES)
                except BlockingIOError:
                    break
                ways[tap].take(frame, line, time.monotonic())


if __name__ == "__main__":
    name_a, cidr_a, name_b, cidr_b, control_file = sys.argv[1:]
    carry(open_tap(name_a, cidr_a), open_tap(name_b, cidr_b), Path(control_file))
