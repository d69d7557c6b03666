"""The keys of the queue: opened at start, and given to whoever stores or reads payloads."""

import logging
import os
import sqlite3
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives.asymmetric import ec

from gateway.identity import kek as kek_files
from gateway.identity import keyring, keystore, recovery
from gateway.identity.keyring import Kek, StoredKey
from gateway.identity.secret import Secret
from gateway.model.cipher import NONCE_BYTES, Cipher
from gateway.model.time import SiteTime
from gateway.store.sqlite import transaction

LOG = logging.getLogger(__name__)

SET_ASIDE: Final = "spool.db.aside-*"


@dataclass(frozen=True, slots=True)
class Wrapping:
    """What data keys are wrapped with and to."""

    kek: Kek
    recipient: ec.EllipticCurvePublicKey
    site: str

    def again(self, stored: StoredKey, secret: Secret) -> StoredKey:
        """Return the data key wrapped by this key-encryption key; its recovery copy stays."""
        wrapped = keyring.wrap(self.kek, stored.number, secret, os.urandom(NONCE_BYTES))
        return StoredKey(stored.number, stored.created, self.kek.name, wrapped, stored.recovery)

    def fresh(self, number: int, now: SiteTime) -> tuple[StoredKey, Secret]:
        """Return a new data key, wrapped both ways, and its secret."""
        secret = kek_files.draw_secret()
        purpose = keyring.purpose(number)
        envelope = recovery.wrap(secret, self.recipient, purpose=purpose, site=self.site)
        wrapped = keyring.wrap(self.kek, number, secret, os.urandom(NONCE_BYTES))
        return StoredKey(number, now, self.kek.name, wrapped, envelope), secret


@dataclass(slots=True)
class Keys:
    """The keys of one running site."""

    folder: Path
    wrapping: Wrapping
    cipher: Cipher

    @property
    def kek_file(self) -> Path:
        """Where the key-encryption key lies."""
        return kek_files.path_of(self.folder, self.wrapping.kek.name)

    def set_aside(self) -> set[int]:
        """Return the lives of the queues that were set aside and still lie there."""
        names = (path.name.removesuffix("-wal") for path in self.folder.parent.glob(SET_ASIDE))
        numbers = (name.rpartition("-")[2] for name in names)
        return {int(number) for number in numbers if number.isdecimal()}


def begin(
    db: sqlite3.Connection,
    state_folder: Path,
    recipient: ec.EllipticCurvePublicKey,
    site: str,
    now: SiteTime,
) -> Keys:
    """Open the data keys, with a new one unless the newest is young; ``db`` is ``state.db``.

    Crash: a key-encryption key that was written and named by no data key is removed by the
    next start that finds all others whole.

    Raises:
        KeyringError: a key is gone or damaged; nothing was changed.
        FileAccessError: other users may read a key.
    """
    folder = state_folder / kek_files.FOLDER
    stored = keystore.data_keys(db)
    secrets = opened(folder, stored)
    kek = kek_files.read(folder, stored[-1].kek) if stored else kek_files.draw(folder)
    wrapping = Wrapping(kek, recipient, site)
    floors = keystore.floors(db)
    fresh = None
    if not keyring.serves(stored, floors.get(keystore.RETIRED, 0), now):
        fresh = _fresh(db, wrapping, now, required=not stored)
    if fresh is None:
        current = stored[-1].number
    else:
        current, secret = fresh
        secrets[current] = secret
    used = {one.kek for one in stored} | {kek.name}
    for name in kek_files.names(folder):
        if name not in used:
            kek_files.remove(folder, name)
    plain = not floors.get(keystore.PLAIN_ENDED)
    cipher = Cipher(os.urandom, keyring.ciphers(secrets), current, plain=plain)
    return Keys(folder, wrapping, cipher)


def _fresh(
    db: sqlite3.Connection, wrapping: Wrapping, now: SiteTime, *, required: bool
) -> tuple[int, Secret] | None:
    """Store a new data key; None where the disk refuses and an older one can go on.

    A full disk must not keep a site from starting: its alerts have a reserve. A few starts
    more under one key leave it far below its bound.
    """
    try:
        with transaction(db):
            fresh, secret = wrapping.fresh(keystore.next_number(db), now)
            keystore.keep(db, [fresh])
    except sqlite3.OperationalError as error:
        if required:
            raise
        LOG.warning("event=data-key-not-renewed state.db refuses: %s", error)
        return None
    return fresh.number, secret


def recover(
    db: sqlite3.Connection,
    state_folder: Path,
    key: ec.EllipticCurvePrivateKey,
    recipient: ec.EllipticCurvePublicKey,
    site: str,
) -> int:
    """Open the data keys with the recovery key, and wrap them by a new key-encryption key.

    All of them are retired: the next start draws a new data key, and the walk seals anew
    what lies under these. Returns how many there are.

    Crash: before the commit the new key's file wraps nothing, and the next start removes it.

    Raises:
        EnvelopeError: the recovery key is another one, or a data key's copy was changed.
        OSError: the disk refuses.
    """
    stored = keystore.data_keys(db)
    secrets = {
        one.number: recovery.unwrap(
            one.recovery, key, purpose=keyring.purpose(one.number), site=site
        )
        for one in stored
    }
    kek = kek_files.draw(state_folder / kek_files.FOLDER)
    wrapping = Wrapping(kek, recipient, site)
    with transaction(db):
        keystore.keep(db, [wrapping.again(one, secrets[one.number]) for one in stored])
        keystore.raise_floor(db, keystore.RETIRED, max(secrets, default=0))
    return len(stored)


def opened(folder: Path, stored: tuple[StoredKey, ...]) -> dict[int, Secret]:
    """Return the data keys by number.

    Raises:
        KeyringError: a key-encryption key is gone or damaged, or a data key was changed.
    """
    keks = {name: kek_files.read(folder, name) for name in {one.kek for one in stored}}
    return {one.number: keyring.unwrap(keks[one.kek], one) for one in stored}
