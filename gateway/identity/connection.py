"""What a device needs to know to connect: ``connection.json`` of its folder. Pure."""

from typing import Final

import msgspec

HTTPS_PORT: Final = 8443
"""Where devices fetch and enrol over HTTPS; nothing listens there yet."""

KEY_FILE: Final = "key.pem"
CERTIFICATE_FILE: Final = "cert.pem"
CA_FILE: Final = "ca.pem"
CONNECTION_FILE: Final = "connection.json"


class Connection(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The file's content. The last three are file names relative to its folder."""

    id: str
    profile: str
    host: str
    mqtt_port: int
    https_port: int = HTTPS_PORT
    ca: str = CA_FILE
    certificate: str = CERTIFICATE_FILE
    key: str = KEY_FILE


class Granted(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The answer to an enrolment: all that the device's folder needs beside its key."""

    certificate_pem: str
    ca_pem: str
    connection: Connection
