"""What can be done about lost keys of the queue while no gateway runs."""

import sqlite3
from collections.abc import Generator
from contextlib import contextmanager

from cryptography.hazmat.primitives.asymmetric import ec

from gateway.app.keys import recover
from gateway.app.offline import STATE_MIGRATIONS, Places
from gateway.config import Config
from gateway.health.audit import audit
from gateway.identity import keystore, pki
from gateway.model.audit import OPERATOR, Action
from gateway.store import site_time
from gateway.store.lock import hold
from gateway.store.sqlite import open_offline, transaction


def recovered(config: Config, key: ec.EllipticCurvePrivateKey) -> int:
    """Open the data keys with the recovery key; return how many there are.

    Raises:
        StateLockedError: a gateway runs.
        OperatorFaultError: there is no site here, or the key is another one.
    """
    places = Places.of(config)
    recipient = pki.recovery_key(places.state / pki.FOLDER)
    with _state(places) as db:
        count = recover(db, places.state, key, recipient, config.site.name)
        _note(db, Action.KEYS_RECOVERED, count)
    return count


def abandoned(config: Config) -> int:
    """Forget the data keys; return how many there were.

    What they sealed stays where it is, and each message ends as unreadable when its turn
    comes: it has its one outcome (P1), and no mark of a device moves.

    Raises:
        StateLockedError: a gateway runs.
        OperatorFaultError: there is no site here.
    """
    places = Places.of(config)
    pki.recovery_key(places.state / pki.FOLDER)  # else this would begin a site's database
    with _state(places) as db:
        numbers = [one.number for one in keystore.data_keys(db)]
        with transaction(db):
            keystore.drop(db, numbers)
            keystore.raise_floor(db, keystore.RETIRED, max(numbers, default=0))
        _note(db, Action.KEYS_ABANDONED, len(numbers))
    return len(numbers)


@contextmanager
def _state(places: Places) -> Generator[sqlite3.Connection]:
    places.require_state()
    with hold(places.lock), open_offline(places.state_db, STATE_MIGRATIONS) as db:
        yield db


def _note(db: sqlite3.Connection, action: Action, count: int) -> None:
    with transaction(db):
        audit(db, site_time.floor(db), OPERATOR, action, f"{count} data keys")
