"""Many devices at once, enrolled at a running gateway as ``device add`` enrols one.

The command's own parts, without a process for each: five hundred take seconds.
"""

import asyncio
from collections.abc import Sequence
from pathlib import Path

import msgspec

from gateway.cli.client import request
from gateway.cli.devicefolder import DeviceFolder
from gateway.identity import keys
from gateway.identity.connection import Granted
from gateway.model.identity import device_id
from tests.support.site import PROFILE, Site

AT_ONCE = 4


async def enrol(site: Site, names: Sequence[str], *, profile: str = PROFILE) -> list[Path]:
    """Enrol ``names``; return their folders, which lie where ``Site.device`` puts them."""
    turns = asyncio.Semaphore(AT_ONCE)

    async def one(name: str) -> Path:
        async with turns:
            with DeviceFolder(site.folder / "devices" / name) as folder:
                csr = keys.certificate_request(folder.key, device_id(name)).decode()
                wish = {"id": name, "profile": profile, "csr_pem": csr}
                status, said = await request(site.control_socket, "POST", "/v1/devices", wish)
                assert status == 200, said
                folder.finish(msgspec.convert(said, Granted))
            return folder.out

    async with asyncio.TaskGroup() as tasks:
        jobs = [tasks.create_task(one(name)) for name in names]
    return [job.result() for job in jobs]
