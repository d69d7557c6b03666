"""Data keys and the key that wraps them. Pure: keys and nonces are arguments.

A *data key* seals payloads of the queue and lies in ``state.db`` twice: wrapped by the site's
*key-encryption key* (AES-256-GCM), and wrapped to the company's recovery key. The
key-encryption key lies in a file of its own, so that a copy of the databases opens nothing.
Its name is derived from it: a file with other content is told before it opens anything wrongly.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from gateway.identity.secret import Secret
from gateway.model.cipher import KEY_BYTES, NONCE_BYTES
from gateway.model.errors import OperatorFaultError
from gateway.model.time import SiteTime

KEYS_MAX: Final = 64
"""Data keys that may lie in ``state.db``; above it the older half is retired."""
YOUNG_MS: Final = 3_600_000
"""A start goes on with the newest data key as long as that is younger.

So restarts in a loop make no key each, and what they seal under one key together stays far
below its bound: nobody seals 2**30 values in an hour.
"""
_NAME_HEX: Final = 16


class KeyringError(OperatorFaultError):
    """The keys of the queue cannot be opened; the message says how they are recovered."""


@dataclass(frozen=True, slots=True)
class Kek:
    """The key-encryption key."""

    name: str
    secret: Secret

    @classmethod
    def of(cls, secret: Secret) -> "Kek":
        """Return the key with its name, a digest that tells nothing of it."""
        digest = hashlib.sha256(b"site-gateway kek\0" + secret.reveal()).hexdigest()
        return cls(digest[:_NAME_HEX], secret)


@dataclass(frozen=True, slots=True)
class StoredKey:
    """A data key as it lies in ``state.db``."""

    number: int
    created: SiteTime
    kek: str
    """Name of the key-encryption key that wraps it."""
    wrapped: bytes
    recovery: bytes
    """The envelope for the holder of the recovery key."""


def wrap(kek: Kek, number: int, data_key: Secret, nonce: bytes) -> bytes:
    """Return data key ``number`` wrapped by ``kek``; ``nonce`` is drawn for this alone."""
    return nonce + AESGCM(kek.secret.reveal()).encrypt(nonce, data_key.reveal(), _bound(number))


def unwrap(kek: Kek, stored: StoredKey) -> Secret:
    """Return the data key.

    Raises:
        KeyringError: it was wrapped by another key, or was changed.
    """
    nonce, sealed = stored.wrapped[:NONCE_BYTES], stored.wrapped[NONCE_BYTES:]
    try:
        found = AESGCM(kek.secret.reveal()).decrypt(nonce, sealed, _bound(stored.number))
    except (InvalidTag, ValueError):
        msg = (
            f"data key {stored.number} in state.db does not open with key-encryption key "
            f"{kek.name}: it was changed; 'site-gateway keys recover' opens the copy for the "
            "recovery key"
        )
        raise KeyringError(msg) from None
    if len(found) != KEY_BYTES:
        msg = f"data key {stored.number} has {len(found)} bytes instead of {KEY_BYTES}"
        raise KeyringError(msg)
    return Secret(found)


def purpose(number: int) -> str:
    """Return what the recovery envelope of a data key is for; spelled for ever."""
    return f"queue-data-key {number}"


def ciphers(keys: Mapping[int, Secret]) -> dict[int, AESGCM]:
    """Return what seals and opens, for ``model.cipher.Cipher``."""
    return {number: AESGCM(secret.reveal()) for number, secret in keys.items()}


def serves(stored: Sequence[StoredKey], retired: int, now: SiteTime) -> bool:
    """Return whether the newest data key may go on; else a new one is drawn."""
    if not stored or stored[-1].number <= retired:
        return False
    return now - stored[-1].created < YOUNG_MS


def retire_up_to(numbers: Sequence[int]) -> int | None:
    """Return the number up to which data keys are retired because there are too many."""
    return numbers[len(numbers) // 2] if len(numbers) > KEYS_MAX else None


def _bound(number: int) -> bytes:
    return f"site-gateway data key {number}".encode()
