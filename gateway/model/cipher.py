"""Payloads as they lie on the disk: AES-256-GCM under numbered data keys. Pure.

A sealed value is a nonce of 12 bytes, the ciphertext and a tag of 16; the number of its
data key lies beside it. ``place`` says where the value belongs (table and identity) and is
bound as associated data: a value that is copied to another place does not open there.

Nonces are random, so a key may seal ``USES_MAX`` values: at 2**31 of them the odds that two
share a nonce are below 2**-34 (NIST SP 800-38D, 8.3, allows 2**32). Whoever owns the cipher
gives it a new key at each start, and again well before that bound.

Threads: ``seal`` belongs to the writer thread of ``spool.db``; all else may be called anywhere.
"""

from collections.abc import Callable, Mapping
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from gateway.model.errors import OperatorFaultError

NONCE_BYTES: Final = 12
TAG_BYTES: Final = 16
KEY_BYTES: Final = 32
USES_MAX: Final = 2**31
USES_RENEW: Final = 2**30
"""From here on a new key is due; half of the bound is left for the time that takes."""
PLAIN: Final = 0
"""The key id of values that the first schema stored as plain text."""


class UnreadableError(OperatorFaultError):
    """A stored value does not open: its key is gone, or it was changed or moved."""


class WornKeyError(OperatorFaultError):
    """The data key has sealed all it may, and nobody has renewed it: nothing more is stored."""


class Cipher:
    """The data keys of one process. It never shows a key, and has no way to hand one out."""

    def __init__(
        self,
        entropy: Callable[[int], bytes],
        keys: Mapping[int, AESGCM],
        current: int,
        *,
        plain: bool = False,
    ) -> None:
        """Seal with key ``current`` of ``keys``; ``plain`` lets values of key id 0 open."""
        self._entropy = entropy
        self._keys = dict(keys)
        self._current = current, self._keys[current]
        self._plain = plain
        self._uses = 0

    def __repr__(self) -> str:
        return f"Cipher(current={self._current[0]}, keys={sorted(self._keys)})"

    @property
    def current(self) -> int:
        """The id of the key that seals now."""
        return self._current[0]

    @property
    def worn(self) -> bool:
        """Whether a new key is due."""
        return self._uses >= USES_RENEW

    def seal(self, plain: bytes, place: str) -> tuple[int, bytes]:
        """Return the key's id, and ``plain`` as it may lie on the disk at ``place``.

        Raises:
            WornKeyError: the key has reached its bound.
        """
        if self._uses >= USES_MAX:
            msg = (
                f"data key {self._current[0]} has sealed {USES_MAX} values and may seal no more: "
                "restart the gateway, which draws a new one"
            )
            raise WornKeyError(msg)
        self._uses += 1
        number, key = self._current
        nonce = self._entropy(NONCE_BYTES)
        return number, nonce + key.encrypt(nonce, plain, place.encode())

    def open(self, number: int, sealed: bytes, place: str) -> bytes:
        """Return what was sealed at ``place`` under key ``number``.

        Raises:
            UnreadableError: there is no such key, or the value is not what was stored there.
        """
        if number == PLAIN and self._plain:
            return sealed
        key = self._keys.get(number)
        if key is None:
            msg = f"{place}: its data key {number} is not there"
            raise UnreadableError(msg)
        try:
            return key.decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], place.encode())
        except (InvalidTag, ValueError) as error:
            msg = f"{place}: changed or damaged since it was stored"
            raise UnreadableError(msg) from error

    def adopt(self, number: int, key: AESGCM) -> None:
        """Seal with this new key from now on; the others open what they sealed."""
        self._keys[number] = key
        self._current = number, key
        self._uses = 0

    def forget(self, number: int) -> None:
        """Drop a key that seals nothing any more, or refuse plain text from now on.

        Raises:
            ValueError: it is the key that seals now.
        """
        if number == self.current:
            msg = f"data key {number} is in use"
            raise ValueError(msg)
        if number == PLAIN:
            self._plain = False
        self._keys.pop(number, None)
