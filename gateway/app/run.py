"""``site-gateway run``: everything of one site in one process, taken down in reverse order.

The only file that builds adapters and hands them to services. Each task has a name and
one owner; when one ends with an error, all end, and the service manager starts us again.
"""

import asyncio
import os
from collections.abc import Callable, Coroutine
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path

from aiohttp import web

from gateway.app import control, damage
from gateway.app.asked import Asked
from gateway.app.audited import AuditLog
from gateway.app.clock import system_wall_ns
from gateway.app.contracts import Contracts
from gateway.app.damage import reopening
from gateway.app.daytime import minute_of
from gateway.app.device import Fleet
from gateway.app.message import Queue
from gateway.app.noise import watching
from gateway.app.numbers import Numbers
from gateway.app.opened import Opened, opened
from gateway.app.parked import Parking, resumed
from gateway.app.patience import patiently
from gateway.app.retention import Retention
from gateway.app.safe import safekeeping
from gateway.app.session import Session
from gateway.app.site import Site
from gateway.app.space import kept
from gateway.app.trusted_clock import TrustedClock
from gateway.app.voices import Voices
from gateway.broker import service as broker_service
from gateway.broker.mosquitto import Certificates, Mosquitto, write_files
from gateway.broker.roles import document
from gateway.broker.service import Ear, Seen
from gateway.config import Config
from gateway.identity import pki
from gateway.identity import service as identity_service
from gateway.intake.store import origins
from gateway.model.errors import OperatorFaultError
from gateway.spool import service as spool_service
from gateway.spool.disk import Store
from gateway.uplink.connectivity import Standing, start
from gateway.uplink.https import Https
from gateway.uplink.service import Uplink
from gateway.web import http as web_http
from gateway.web import service as web_service
from gateway.web.service import Viewers

PASSWORD_BYTES = 32


def nowhere(_: str) -> None:
    """The named point that production passes without noticing."""


async def serve(
    config: Config,
    folder: Path,
    *,
    ready: Callable[[str], None],
    point: Callable[[str], None] = nowhere,
    wall_ns: Callable[[], int] = system_wall_ns,
) -> None:
    """Run the site until cancelled; ``ready`` gets the page's address when all is up.

    ``folder`` is where gateway.toml lies.

    ``point`` is called at named places, so that a test can end the process exactly there;
    ``wall_ns`` is the wall clock, Unix time in nanoseconds.

    Raises:
        OperatorFaultError: something here cannot be used; the message says what to do.
        StateLockedError: a gateway runs on this state already.
    """
    first = [ready]

    def once(address: str) -> None:
        if first:
            first.pop()(address)

    await reopening(partial(_serve, config, folder, ready=once, point=point, wall_ns=wall_ns))


async def _serve(
    config: Config,
    folder: Path,
    *,
    ready: Callable[[str], None],
    point: Callable[[str], None],
    wall_ns: Callable[[], int],
) -> None:
    async with AsyncExitStack() as stack:
        files = await stack.enter_async_context(opened(config, wall_ns))
        clock = files.clock
        voices, seen = Voices(clock), Seen()
        fleet = Fleet(
            config, folder, clock, files.state, files.authority, files.catalogue, voices.news
        )
        await fleet.load(await origins(files.showing))
        queue = Queue(
            config=config,
            clock=clock,
            spool=files.spool,
            reader=files.sealing,
            contracts=files.contracts,
            cipher=files.keys.cipher,
            entropy=os.urandom,
            point=point,
            changed=voices.news,
            count=voices.register.count,
        )
        space = kept(
            config.spool,
            Store(files.places.spool_db, config.spool.state_reserve_bytes),
            files.spool,
            voices,
            lambda: queue.under_way,
        )
        queue.space, files.state.relief = space, space.relieve
        password = _password(config)
        socket_path = Path(config.broker.socket or files.places.runtime / "broker.sock")
        warden = await watching(fleet, voices, config.intake)
        session = Session(str(socket_path), password, fleet, queue, seen, voices, point, warden)

        jobs: dict[str, Coroutine[None, None, None]] = {
            "session": session.run(),
            "noise": patiently(warden.run, "state.db", voices),
        }
        if config.broker.mode == "managed":
            ear = Ear(clock, voices.register.count)
            begin = space.relieving(_broker_start(files, fleet, socket_path, password, ear))
            jobs["broker"] = broker_service.keep(begin, seen, clock=clock, report=voices.report)

        uplink = await _uplink(config, files, queue, voices, stack)
        standing = _standing(uplink, start(clock.site(), configured=False))
        if uplink is not None:
            jobs["uplink"] = patiently(uplink.run, "spool.db", voices)

        numbers = Numbers(
            *(fleet, voices, files.spool, files.state, files.showing, seen, standing, space),
            warden.shares,
        )
        jobs["numbers"] = patiently(numbers.run, "state.db", voices)
        jobs["absences"] = patiently(numbers.watch_absences, "spool.db", voices)
        site = Site(
            config.site.name,
            clock,
            fleet,
            seen,
            voices.register,
            files.showing,
            files.keys.cipher,
            standing,
            numbers,
        )
        voices.listeners.append(site.bell.ring)
        viewers, page = Viewers(config.web.viewers_max), web_http.load_page()
        drawing = partial(web_service.run, site, page, viewers, clock, config.web.push_gap_ms)
        jobs["page"] = patiently(drawing, "spool.db", voices)
        every_s = config.spool.sweep_every_s
        kept_for = Retention(queue.sweep, files.spool, files.state, clock, voices)
        retention = partial(spool_service.run, kept_for.sweep, clock=clock, every_s=every_s)
        jobs["retention"] = patiently(retention, "spool.db", voices)
        jobs["room"] = patiently(space.run, "spool.db", voices)
        jobs["certificates"] = identity_service.run(
            clock=clock, facts=fleet.facts, report=voices.report, clear=voices.clear_code
        )
        trusted = TrustedClock(clock, files.state, voices)
        jobs["site-time"] = patiently(trusted.run, "state.db", voices)
        rekeying, safe = await safekeeping(config, files, voices, point, stack)
        jobs["keys"] = patiently(rekeying.run, "spool.db", voices)

        log = AuditLog(files.state, clock, config.audit, voices, files.catalogue)
        jobs |= {
            "audit": patiently(log.run, "state.db", voices),
            "retention-proof": patiently(kept_for.run, "state.db", voices),
            "queue-loss": patiently(partial(damage.tell, files, voices), "state.db", voices),
            "queue-look": patiently(partial(damage.look, files), "spool.db", voices),
            "queue-damage": patiently(partial(damage.watch, files, voices), "state.db", voices),
        }

        tasks = await stack.enter_async_context(asyncio.TaskGroup())
        for name, job in jobs.items():
            tasks.create_task(job, name=name)
        more = [
            *_parking(files, queue, uplink),
            *trusted.routes(),
            *safe,
            *Asked(numbers).routes(),
            *log.routes(),
            *Contracts(fleet).routes(),
        ]
        routes = control.Routes(site, fleet, files.spool.reader, more)
        await stack.enter_async_context(control.serving(routes, files.places.runtime))
        serving = web_http.serving(site, page, viewers, config.web.port)
        ready(await stack.enter_async_context(serving))
        await asyncio.Event().wait()  # until cancelled; the stack unwinds in reverse


def _broker_start(
    files: Opened, fleet: Fleet, at: Path, password: str, ear: Ear
) -> Callable[[], Coroutine[None, None, Mosquitto]]:
    folder = files.places.state / pki.FOLDER
    certificates = Certificates(
        folder / pki.CA_CERTIFICATE, folder / pki.SERVER_CERTIFICATE, folder / pki.SERVER_KEY
    )

    async def begin() -> Mosquitto:
        # Made anew at each start: the broker keeps nothing, the inventory is the truth.
        access = document(
            fleet.access(), password=password, salt=os.urandom(12), topics=fleet.topics_of
        )
        conf = write_files(files.places.broker, fleet.config.broker, certificates, access, at)
        return await Mosquitto.start(conf, at, ear, fleet.config.broker.memory_bytes_max)

    return begin


async def _uplink(
    config: Config, files: Opened, queue: Queue, voices: Voices, stack: AsyncExitStack
) -> Uplink | None:
    if not config.uplink.url:
        return None
    queue.resumed = await resumed(files.state)
    cloud = await stack.enter_async_context(Https(config.uplink, queue.clock))
    return Uplink(
        queue=queue,
        cloud=cloud,
        clock=queue.clock,
        entropy=os.urandom,
        limits=config.uplink,
        minute=minute_of(queue.clock, config.site.timezone),
        report=voices.report,
        clear=voices.clear_code,
        count=voices.register.count,
        witness=files.clock.witness,
    )


def _standing(uplink: Uplink | None, off: Standing) -> Callable[[], Standing]:
    return lambda: off if uplink is None else uplink.standing


def _parking(files: Opened, queue: Queue, uplink: Uplink | None) -> list[web.RouteDef]:
    parking = Parking(queue, files.state, files.spool.reader, uplink)
    queue.noted = parking.noted
    return parking.routes()


def _password(config: Config) -> str:
    """Return the gateway's password at the broker: fresh a start, or the external broker's."""
    if config.broker.mode == "managed":
        return os.urandom(PASSWORD_BYTES).hex()
    path = Path(config.broker.password_file)
    try:
        return path.read_text().strip()
    except OSError as error:
        msg = f"{path}: {error.strerror}: put the broker's password for 'gateway' there"
        raise OperatorFaultError(msg) from error
