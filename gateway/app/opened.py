"""The site's files, opened in order and closed in reverse: lock, folders, keys, databases."""

import logging
import os
import stat
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import aiosqlite

from gateway.app import queuefile
from gateway.app.clock import SystemClock, system_wall_ns
from gateway.app.keys import Keys
from gateway.app.keys import begin as begin_keys
from gateway.app.offline import SPOOL_MIGRATIONS, STATE_MIGRATIONS, Places
from gateway.app.queuefile import QueueDamagedError, Ready
from gateway.config import Config
from gateway.fleet.findings import Unusable
from gateway.fleet.folder import Catalogue, read_profiles
from gateway.identity import interfaces, pki
from gateway.identity.authority import Authority
from gateway.identity.names import check_interfaces, server_names
from gateway.model.contract import ContractInForce
from gateway.model.errors import OperatorFaultError
from gateway.spool import store as spool_store
from gateway.spool.disk import Store
from gateway.store import pages, site_time
from gateway.store.lock import hold
from gateway.store.sqlite import Engine, open_offline, told
from gateway.store.tide import Gauge

START_BYTES = 4_194_304
"""With less free space than this, a start takes the reserve: it writes keys and WALs, too."""
LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Opened:
    """What lies on the disk, ready for use. One reader a user."""

    places: Places
    clock: SystemClock
    authority: Authority
    catalogue: Catalogue
    contracts: dict[str, ContractInForce]
    keys: Keys
    state: Engine
    spool: Engine
    sealing: aiosqlite.Connection
    showing: aiosqlite.Connection
    queue_file: Ready


def private_folder(path: Path) -> None:
    """Make ``path`` (0700), or require that it is ours alone.

    Raises:
        OperatorFaultError: it belongs to somebody else or others may enter it.
    """
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = path.lstat()
    except OSError as error:
        msg = f"{path} cannot be made: {error.strerror}; set site.runtime_dir to another folder"
        raise OperatorFaultError(msg) from error
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid():
        msg = f"{path} does not belong to this user: set site.runtime_dir to another folder"
        raise OperatorFaultError(msg)
    if found.st_mode & 0o077:
        msg = f"{path} is open to other users: chmod 700 {path}"
        raise OperatorFaultError(msg)


@asynccontextmanager
async def opened(
    config: Config, wall_ns: Callable[[], int] = system_wall_ns
) -> AsyncGenerator[Opened]:
    """Open the site of ``config`` inside the block; ``wall_ns`` is the wall clock.

    Raises:
        OperatorFaultError: something cannot be used; the message says what to do.
        StateLockedError: a gateway runs on this state already.
    """
    places = Places.of(config)
    if not places.state.is_dir():
        msg = f"{places.state} is not there: make the site with 'site-gateway init', or restore it"
        raise OperatorFaultError(msg)
    places.require_state()
    reserve = Store(places.spool_db, config.spool.state_reserve_bytes)
    if reserve.look().free_bytes < START_BYTES and reserve.give_up():
        LOG.warning("event=reserve-given-up subject=start: the disk is full")
    with hold(places.lock):
        private_folder(places.runtime)
        catalogue = read_profiles(Path(config.site.profiles_dir))
        if isinstance(catalogue, Unusable):
            raise OperatorFaultError(str(catalogue))
        authority = pki.load_authority(places.state / pki.FOLDER)
        with told(places.state_db), open_offline(places.state_db, STATE_MIGRATIONS) as db:
            _require_whole(places.state_db, pages.found(db))
            clock = SystemClock(site_time.floor(db), wall_ns)
            clock.adjust()
            queue_file = queuefile.prepare(places.spool_db, db, clock.site())
            recipient = pki.recovery_key(places.state / pki.FOLDER)
            keys = begin_keys(db, places.state, recipient, config.site.name, clock.site())
        wanted = server_names(config.site.name, config.site.addresses)
        for finding in check_interfaces(config.site.addresses, interfaces.addresses()):
            LOG.warning("event=address-not-here %s", finding)
        pki.keep_server_certificate(places.state / pki.FOLDER, authority, wanted, clock.wall())
        async with AsyncExitStack() as stack:
            gauge = stack.enter_context(Gauge(places.spool_db, queue_file.generation))
            enter = stack.enter_async_context
            state = await enter(Engine(places.state_db, STATE_MIGRATIONS))
            spool = await enter(Engine(places.spool_db, SPOOL_MIGRATIONS, gauge.committed))
            sealing = await enter(spool.reader())
            showing = await enter(spool.reader())
            condemning = _condemning(spool, state, queue_file.generation, clock)
            await enter(condemning)
            contracts = await spool.write(spool_store.remember, _contracts(catalogue))
            yield Opened(
                places,
                clock,
                authority,
                catalogue,
                contracts,
                keys,
                state,
                spool,
                sealing,
                showing,
                queue_file,
            )


@asynccontextmanager
async def _condemning(
    spool: Engine, state: Engine, generation: int, clock: SystemClock
) -> AsyncGenerator[None]:
    """Condemn the queue's file when the block ends after anybody has met damage in it.

    Crash: the end of the file's life is stored while all is still open, so whoever opens it
    next knows, be it this process or another.

    Raises:
        QueueDamagedError: in the place of whatever ended the block.
    """
    try:
        yield
    except BaseException as error:
        if spool.damaged.is_set():
            await state.write(queuefile.condemn, generation, clock.site())
            if isinstance(error, Exception):
                raise QueueDamagedError(generation) from error
        raise


def _require_whole(state_db: Path, damage: str) -> None:
    if damage:
        msg = (
            f"{state_db} is damaged ({damage}): it says which devices to trust, so nothing is "
            "served without it: restore the last backup (site-gateway backup restore)"
        )
        raise OperatorFaultError(msg)


def _contracts(catalogue: Catalogue) -> Sequence[ContractInForce]:
    return [contract for _, contract in catalogue.values()]
