"""The ``[uplink]`` section of gateway.toml: where batches go, and every bound on the way."""

import re
from typing import Annotated, Final

import msgspec

from gateway.uplink.schedule import Window

URL: Final = re.compile(r"https://[A-Za-z0-9.\-\[\]:]+(/[A-Za-z0-9._~/\-]*)?")


class UplinkLimits(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Frozen settings. Paths of files are relative to the folder of gateway.toml."""

    url: Annotated[str, msgspec.Meta(max_length=1024)] = ""
    """https only, without query; ``/v1/batches/<sha256>`` is appended. Empty: nothing is sent."""
    ca_file: str = ""
    """The CA that signed the cloud's certificate. No other is trusted."""
    certificate_file: str = ""
    """The gateway's client certificate, PEM. A changed file is used without a restart."""
    key_file: str = ""
    """Its private key, PEM without a password, readable by the gateway alone."""

    batch_max_messages: Annotated[int, msgspec.Meta(ge=1, le=10_000)] = 1_000
    """A batch with so many messages is sealed at once."""
    batch_max_bytes: Annotated[int, msgspec.Meta(ge=65_536, le=8_388_608)] = 1_048_576
    """Bytes of messages as they are held; at its upper bound the body stays under 16 MiB."""
    batch_max_age_s: Annotated[float, msgspec.Meta(ge=0.1, le=3_600)] = 10
    """How long the oldest result or log waits for company. Longer compresses better."""
    alert_batch_max_age_s: Annotated[float, msgspec.Meta(ge=0, le=10)] = 0.2
    """How long an alert waits, so that a burst of them shares one batch."""

    live_within_s: Annotated[int, msgspec.Meta(ge=1, le=86_400)] = 120
    """What is older waits too long already and is sent as backlog, beside what is live."""
    backlog_share_percent: Annotated[int, msgspec.Meta(ge=5, le=80)] = 30
    """Of the bytes, while live data and backlog both wait. Live alerts go first in any case."""
    bytes_per_s: Annotated[int, msgspec.Meta(ge=0, le=1_000_000_000)] = 0
    """Bytes of batches a second; 0: no limit. Alerts never wait for it, but count."""
    window: Annotated[tuple[Window, ...], msgspec.Meta(max_length=16)] = ()
    """Times of the day with rules of their own; the first that fits holds."""

    request_timeout_s: Annotated[float, msgspec.Meta(ge=1, le=600)] = 60
    """From connecting to the last byte of the answer."""
    retry_ceiling_s: Annotated[float, msgspec.Meta(ge=1, le=3_600)] = 300
    """The longest wait that back-off chooses by itself."""
    probe_every_s: Annotated[float, msgspec.Meta(ge=1, le=3_600)] = 60
    """How often a misconfigured uplink tries again."""

    refused_in_a_row_max: Annotated[int, msgspec.Meta(ge=1, le=1_000)] = 12
    """With more definite refusals and nothing taken between them, nothing more is parked."""
    parked_an_hour_max: Annotated[int, msgspec.Meta(ge=1, le=10_000)] = 20
    """With more batches parked within an hour, nothing more is parked."""
    parked_bytes_max: Annotated[int, msgspec.Meta(ge=1_048_576, le=1_099_511_627_776)] = 67_108_864
    """Bytes of parked batches and their messages; beyond it the oldest are shed."""
    parked_kept_h: Annotated[int, msgspec.Meta(ge=1, le=8_760)] = 720
    """So many hours, or as long as its contract keeps its messages, a parked batch waits."""

    def __post_init__(self) -> None:
        """Require what an uplink needs together.

        Raises:
            ValueError: the URL is not plain https, or one of its three files is not named.
        """
        if not self.url:
            return
        if URL.fullmatch(self.url) is None:
            msg = f"url {self.url!r} is not of the form https://host[:port][/path]"
            raise ValueError(msg)
        for key in ("ca_file", "certificate_file", "key_file"):
            if not getattr(self, key):
                msg = f"{key} is missing: the uplink needs it as soon as url is set"
                raise ValueError(msg)
