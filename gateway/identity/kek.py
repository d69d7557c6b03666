"""The key-encryption keys in the folder ``keys`` (adapter: key files, and the system's entropy).

One file a key, ``kek-<name>``, 0600, 64 hexadecimal digits. Two lie there only while keys
rotate. Sealing them to the machine's TPM will come in the place of the file.
"""

import os
import re
from pathlib import Path
from typing import Final

from gateway.identity.files import (
    PRIVATE_FILE,
    private_folder,
    read_private,
    sync_folder,
    write_whole,
)
from gateway.identity.keyring import Kek, KeyringError
from gateway.identity.secret import Secret
from gateway.model.cipher import KEY_BYTES

FOLDER: Final = "keys"
_PREFIX: Final = "kek-"
_FILE_BYTES_MAX: Final = 1_024
_HEX: Final = re.compile(rb"[0-9a-f]{64}\n?")
_MEND: Final = (
    "put the file back, or open the queue's keys with the company's recovery key: "
    "'site-gateway keys recover --recovery-key PRIVATE.pem' (docs/keys.md)"
)


def draw_secret() -> Secret:
    """Return a new key of 256 bits."""
    return Secret(os.urandom(KEY_BYTES))


def draw(folder: Path) -> Kek:
    """Return a new key-encryption key; on return its file is on the disk.

    Raises:
        KeyringError: the disk refused; nothing is left.
        FileAccessError: the folder is open to others.
    """
    kek = Kek.of(draw_secret())
    path = path_of(folder, kek.name)
    try:
        private_folder(folder)
        write_whole(path, kek.secret.reveal().hex().encode() + b"\n", PRIVATE_FILE)
    except OSError as error:
        msg = f"{path} cannot be written: {error.strerror}: check its disk and its rights"
        raise KeyringError(msg) from error
    return kek


def path_of(folder: Path, name: str) -> Path:
    """Return where the key of this name lies."""
    return folder / f"{_PREFIX}{name}"


def read(folder: Path, name: str) -> Kek:
    """Return the key of this name.

    Raises:
        KeyringError: the file is absent, unreadable or holds another key.
        FileAccessError: other users may read it.
    """
    path = path_of(folder, name)
    try:
        content = read_private(path, _FILE_BYTES_MAX)
    except OSError as error:
        msg = f"{path}: {error.strerror}: without it the queue cannot be read: {_MEND}"
        raise KeyringError(msg) from error
    kek = Kek.of(Secret(bytes.fromhex(content.decode()))) if _HEX.fullmatch(content) else None
    if kek is None or kek.name != name:
        msg = f"{path} does not hold the key that its name says: {_MEND}"
        raise KeyringError(msg)
    return kek


def names(folder: Path) -> list[str]:
    """Return the names of the keys that lie in ``folder``, sorted."""
    return sorted(path.name.removeprefix(_PREFIX) for path in folder.glob(f"{_PREFIX}*"))


def remove(folder: Path, name: str) -> None:
    """Remove a key's file. On flash the bytes may be found for a while: nothing overwrites them."""
    path_of(folder, name).unlink(missing_ok=True)
    sync_folder(folder)
