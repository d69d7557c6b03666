"""The device's folder: where the gateway is, who this device is, and whom it trusts."""

import ssl
from pathlib import Path
from typing import Annotated, Final

import msgspec

CONNECTION_FILE: Final = "connection.json"

Port = Annotated[int, msgspec.Meta(ge=1, le=65_535)]
Name = Annotated[str, msgspec.Meta(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$")]


class FolderError(Exception):
    """The folder cannot be used as it is; the message says which file, and what to do."""


class Connection(msgspec.Struct, frozen=True):
    """The content of ``connection.json``. The last three are file names in its folder."""

    id: Name
    profile: Name
    host: str
    mqtt_port: Port
    ca: str
    certificate: str
    key: str


def read_connection(folder: Path) -> Connection:
    """Return what ``connection.json`` in ``folder`` says.

    Raises:
        FolderError: it is missing, unreadable or not of this form.
    """
    path = folder / CONNECTION_FILE
    try:
        return msgspec.json.decode(path.read_bytes(), type=Connection)
    except OSError as error:
        msg = (
            f"{path}: {error.strerror}. Give the folder that"
            " `site-gateway device add ID --profile NAME --out DIR` wrote"
        )
        raise FolderError(msg) from error
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        msg = f"{path}: {error}. Write the folder again with `site-gateway device add`"
        raise FolderError(msg) from error


class _Handshaken(ssl.SSLSocket):
    """Closes itself when its handshake fails: paho-mqtt 2 would leave it to chance."""

    def do_handshake(self, block: bool = False) -> None:  # noqa: FBT001, FBT002 -- as it is inherited
        """Do the handshake, or close."""
        try:
            super().do_handshake(block)
        except OSError:
            self.close()
            raise


def read_trust(folder: Path, connection: Connection) -> ssl.SSLContext:
    """Return the TLS settings: the site's CA and nobody else, and this device's certificate.

    Raises:
        FolderError: a file is missing, unreadable, or no certificate or key.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # checks certificate and name
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.sslsocket_class = _Handshaken
    ca, certificate, key = connection.ca, connection.certificate, connection.key
    try:
        context.load_verify_locations(folder / ca)
    except OSError as error:  # ssl.SSLError is one of these
        msg = f"{folder / ca}: {error.strerror or error}. It must be the site's CA in PEM"
        raise FolderError(msg) from error
    try:
        context.load_cert_chain(folder / certificate, folder / key)
    except OSError as error:
        msg = f"{folder}: {certificate} and {key} are no certificate with its key: {error}"
        raise FolderError(msg) from error
    return context
