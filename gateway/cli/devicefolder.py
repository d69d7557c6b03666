"""The folder that ``device add`` makes: key, certificate, CA and how to connect.

Built under a hidden name beside the target and renamed as the last step. The key is
written before the gateway is asked, so that a full disk is noticed before an id is spent.
"""

import os
import shutil
import tempfile
from pathlib import Path
from typing import Self

import msgspec
from cryptography import x509

from gateway.identity import keys
from gateway.identity.connection import (
    CA_FILE,
    CERTIFICATE_FILE,
    CONNECTION_FILE,
    KEY_FILE,
    Granted,
)
from gateway.identity.files import PUBLIC_FILE, sync_folder, write_whole
from gateway.model.errors import OperatorFaultError, RefusedError


class OutputTakenError(RefusedError):
    """The folder holds something already."""


class DeviceFolder:
    """A device's folder in the making. Use as ``with``; unless finished, nothing stays."""

    def __init__(self, out: Path) -> None:
        self.out = out
        self.key = keys.draw()
        self._unfinished: Path | None = None

    def __enter__(self) -> Self:
        """Make the hidden folder, mode 0700, and write the key.

        Raises:
            OutputTakenError: the target is there and is no empty folder.
            OSError: the disk refused.
        """
        if os.path.lexists(self.out) and not (self.out.is_dir() and not any(self.out.iterdir())):
            msg = f"{self.out} is there already and is no empty folder: choose another --out"
            raise OutputTakenError(msg)
        self.out.parent.mkdir(parents=True, exist_ok=True)
        self._unfinished = Path(tempfile.mkdtemp(prefix=f".{self.out.name}.", dir=self.out.parent))
        try:
            keys.write(self._unfinished / KEY_FILE, keys.to_pem(self.key))
        except BaseException:
            shutil.rmtree(self._unfinished, ignore_errors=True)
            raise
        return self

    def __exit__(self, *_: object) -> None:
        if self._unfinished is not None:
            shutil.rmtree(self._unfinished, ignore_errors=True)

    def finish(self, granted: Granted) -> None:
        """Write the rest and give the folder its name.

        Crash: the target is whole or absent.

        Raises:
            OperatorFaultError: the disk refused; what there is stays under the hidden name,
                because the id is spent and this may be the only copy.
        """
        folder = self._unfinished
        if folder is None:
            msg = "the folder is not open"
            raise RuntimeError(msg)
        certificate = x509.load_pem_x509_certificate(granted.certificate_pem.encode())
        if certificate.public_key() != self.key.public_key():
            msg = "the gateway's certificate is not for the key that was asked for"
            raise RuntimeError(msg)
        self._unfinished = None
        connection = msgspec.json.format(msgspec.json.encode(granted.connection), indent=2)
        try:
            write_whole(folder / CERTIFICATE_FILE, granted.certificate_pem.encode(), PUBLIC_FILE)
            write_whole(folder / CA_FILE, granted.ca_pem.encode(), PUBLIC_FILE)
            write_whole(folder / CONNECTION_FILE, connection + b"\n", PUBLIC_FILE)
            folder.rename(self.out)
            sync_folder(self.out.parent)
        except OSError as error:
            msg = (
                f"{granted.connection.id} is enrolled, but {self.out} could not be made "
                f"({error}): what there is of it lies in {folder}"
            )
            raise OperatorFaultError(msg) from error
