"""The text of ``mosquitto.conf`` for Debian's mosquitto >= 2.0.11. Pure."""

from dataclasses import dataclass

from gateway.broker.limits import BrokerLimits

SOCKET_PATH_BYTES_MAX = 107
"""The kernel's limit for a unix socket's path (``sun_path`` less its zero byte)."""


@dataclass(frozen=True, slots=True)
class Paths:
    """The user the broker runs as, and absolute paths that it reads and writes."""

    user: str
    plugin: str
    dynsec: str
    socket: str
    ca: str
    certificate: str
    key: str


def mosquitto_conf(limits: BrokerLimits, paths: Paths) -> str:
    """Return the configuration: closed by default, nothing kept on disk, certificates only.

    Raises:
        ValueError: the socket's path is longer than the kernel takes.
    """
    if len(paths.socket.encode()) > SOCKET_PATH_BYTES_MAX:
        msg = (
            f"{paths.socket} is longer than {SOCKET_PATH_BYTES_MAX} bytes, which no unix socket's "
            "path may be: set site.runtime_dir to a shorter folder"
        )
        raise ValueError(msg)
    # A comment after a value would become part of it, so the reasons stand here.
    lines = [
        f"user {paths.user}",  # started by root it would become 'mosquitto' and not read its files
        "per_listener_settings false",
        "allow_anonymous false",
        f"plugin {paths.plugin}",
        f"plugin_opt_config_file {paths.dynsec}",
        "persistence false",  # durability is end to end, by receipts
        "set_tcp_nodelay true",  # else a receipt waits 44 ms for a delayed ACK
        f"max_packet_size {limits.max_packet_bytes}",
        "max_inflight_messages 100",
        f"max_queued_messages {limits.max_queued_messages}",
        f"max_queued_bytes {limits.max_queued_bytes}",
        "max_keepalive 120",
        "sys_interval 10",
        "log_dest stderr",
        "log_type error",
        "log_type warning",
        "log_type notice",
        "log_type debug",  # else it tells nobody of a topic that it denied (decision 0012)
        "log_timestamp false",  # whoever keeps the lines stamps them
        "connection_messages true",  # else it refuses packets and certificates in silence
        f"listener 0 {paths.socket}",  # the gateway: user and password, in a 0700 folder
        f"listener {limits.port} {limits.listen}",
        f"max_connections {limits.max_connections}",  # counts for the listener above it
        f"cafile {paths.ca}",
        f"certfile {paths.certificate}",
        f"keyfile {paths.key}",
        "require_certificate true",
        "use_identity_as_username true",
        "use_username_as_clientid true",  # a device cannot take another one's client id
        "tls_version tlsv1.2",  # the lowest version
    ]
    return "\n".join(lines) + "\n"
