"""Who a device is: the one spelling of its name."""

import re
from typing import Final, NewType

DeviceId = NewType("DeviceId", str)
"""The certificate's common name, also the MQTT user name and client id."""

DEVICE_ID: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")


def device_id(text: str) -> DeviceId:
    """Return ``text`` as a device id.

    Raises:
        ValueError: it is not of the form ``[a-z0-9][a-z0-9-]{0,62}``.
    """
    if DEVICE_ID.fullmatch(text) is None:
        msg = (
            f"{text!r} is no device id: use 1 to 63 of a-z, 0-9 and '-', "
            "beginning with a letter or digit"
        )
        raise ValueError(msg)
    return DeviceId(text)
