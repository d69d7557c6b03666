"""Makes what is missing, one command after the other."""

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

import msgspec

from hil.virtualline import child, logfile
from hil.virtualline.site import Site, Wishes, device_ids
from hil.virtualline.steps import Found, Step

SHOWN_LINES: Final = 20
REFUSED: Final = 3
"""The exit code of ``site-gateway`` when something is there already."""


class StepFailedError(Exception):
    """A part could not be made; the message ends with the command's own words."""


class _Connection(msgspec.Struct):
    """The part of connection.json that matters here."""

    profile: str


def found(site: Site, wishes: Wishes) -> Found:
    """Return what an earlier run left. A device is complete when it can connect."""
    devices: dict[str, str] = {}
    for device in device_ids(wishes.devices):
        try:
            text = (site.device(device) / "connection.json").read_bytes()
            devices[device] = msgspec.json.decode(text, type=_Connection).profile
        except (FileNotFoundError, msgspec.DecodeError):
            continue
    return Found(gateway=site.config.exists(), devices=devices)


async def take(
    steps: Sequence[Step],
    site: Site,
    say: Callable[[str], None],
    stop: asyncio.Event,
    limit_s: float,
) -> None:
    """Take ``steps`` until one fails or ``stop`` is set; each may last ``limit_s``.

    A step that runs is not interrupted by ``stop``: half of it would be in the way later.

    Raises:
        StepFailedError: a command failed or did not end.
    """
    log = site.log("setup")
    for step in steps:
        logfile.discard(log)  # so that its end is this step's
        running = await child.start(step.command, log)
        try:
            async with asyncio.timeout(limit_s):
                code = await running.wait()
        except TimeoutError:
            running.kill()
            await running.wait()
            raise _failed(step, f"it did not end in {limit_s:g} s", log) from None
        finally:
            running.kill()
        if code == REFUSED:
            how = f"refused. If an earlier run was cut off here: remove {site.root} to begin anew"
            raise _failed(step, how, log)
        if code != 0:
            raise _failed(step, f"exit code {code}", log)
        say(f"done: {step.says}")
        if stop.is_set():
            return


def _failed(step: Step, how: str, log: Path) -> StepFailedError:
    lines = [f"failed: {step.says}: {how}", *logfile.tail(log, SHOWN_LINES)]
    return StepFailedError("\n  | ".join(lines))
