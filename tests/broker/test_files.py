"""The broker's configuration: closed by default, nothing kept on disk, certificates only."""

import pytest

from gateway.broker.files import SOCKET_PATH_BYTES_MAX, Paths, mosquitto_conf
from gateway.broker.limits import BrokerLimits

PATHS = Paths("gw", "/p/plugin.so", "/b/dynsec.json", "/r/b.sock", "/ca.pem", "/c.pem", "/k.pem")


def settings(limits: BrokerLimits = BrokerLimits(listen="10.0.0.1")) -> list[str]:  # noqa: B008 -- frozen
    text = mosquitto_conf(limits, PATHS)
    assert text.endswith("\n")
    return text.splitlines()


@pytest.mark.parametrize(
    "line",
    [
        "allow_anonymous false",
        "per_listener_settings false",
        "persistence false",
        "require_certificate true",
        "use_identity_as_username true",
        "use_username_as_clientid true",
        "tls_version tlsv1.2",
        "plugin /p/plugin.so",
        "plugin_opt_config_file /b/dynsec.json",
        "user gw",
    ],
)
def test_what_keeps_strangers_out_is_set(line: str):
    assert settings().count(line) == 1


def test_only_the_socket_and_the_configured_address_are_listened_on():
    listeners = [line for line in settings() if line.startswith("listener")]
    assert listeners == ["listener 0 /r/b.sock", "listener 8883 10.0.0.1"]


def test_certificates_are_demanded_of_the_listener_that_devices_use():
    """mosquitto applies them to the listener above them."""
    lines = settings()
    after = lines[lines.index("listener 8883 10.0.0.1") :]
    assert {"cafile /ca.pem", "certfile /c.pem", "keyfile /k.pem", "require_certificate true"} <= {
        *after
    }


def test_the_bounds_are_those_of_the_configuration():
    limits = BrokerLimits(
        listen="::1",
        port=1,
        max_packet_bytes=300_000,
        max_queued_messages=101,
        max_queued_bytes=2_000_000,
        max_connections=7,
    )
    lines = settings(limits)
    assert "max_packet_size 300000" in lines
    assert "max_queued_messages 101" in lines
    assert "max_queued_bytes 2000000" in lines
    # It counts wrongly what dynamic-security frees, and then refuses everything (docs/noise.md).
    assert not any("memory_limit" in line for line in lines)
    assert "max_connections 7" in lines
    assert "listener 1 ::1" in lines


def test_the_broker_says_what_it_denied():
    """At no other level does mosquitto 2.0 say it."""
    assert {"log_dest stderr", "log_type debug"} <= {*settings()}


def test_no_line_carries_a_comment_that_would_become_its_value():
    assert [line for line in settings() if "#" in line] == []


def test_a_socket_path_the_kernel_refuses_is_refused_first():
    longest = Paths("gw", "p", "d", "/" + "s" * (SOCKET_PATH_BYTES_MAX - 1), "a", "c", "k")
    assert longest.socket in mosquitto_conf(BrokerLimits(listen="h"), longest)
    too_long = Paths("gw", "p", "d", longest.socket + "s", "a", "c", "k")
    with pytest.raises(ValueError, match=r"is longer than 107 bytes.*set site\.runtime_dir"):
        mosquitto_conf(BrokerLimits(listen="h"), too_long)
