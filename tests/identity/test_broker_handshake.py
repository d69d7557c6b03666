"""The broker and its own client judge the certificates."""

import shutil
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.certificates import Bench, Pair, site_bench

pytestmark = [
    pytest.mark.broker,
    pytest.mark.timeout(300),
    pytest.mark.skipif(shutil.which("mosquitto") is None, reason="mosquitto is not installed"),
]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def port(bench: Bench) -> Iterator[int]:
    """A mosquitto with mutual TLS; an ACL tells by which name it knows a client."""
    server, number = bench.server(), free_port()
    (bench.folder / "acl").write_text("pattern write line/%u/#\n")
    configuration = bench.folder / "mosquitto.conf"
    configuration.write_text(
        f"user root\nlog_type all\nacl_file {bench.folder}/acl\n"
        f"listener {number} 127.0.0.1\ncafile {bench.ca}\n"
        f"certfile {server.certificate}\nkeyfile {server.key}\n"
        "require_certificate true\nuse_identity_as_username true\n"
    )
    with subprocess.Popen(
        ["mosquitto", "-c", configuration], stderr=subprocess.PIPE, text=True
    ) as broker:
        assert broker.stderr is not None
        said = ""
        for line in broker.stderr:
            said += line
            if line.rstrip().endswith("running"):
                break
        else:
            pytest.fail(f"mosquitto did not start: {said}")
        yield number
        broker.terminate()


def publish(
    port: int, ca: Path, device: Pair | None, topic: str
) -> subprocess.CompletedProcess[str]:
    command = ["mosquitto_pub", "-V", "5", "-h", "127.0.0.1", "-p", str(port)]
    command += ["--cafile", str(ca), "-q", "1", "-t", topic, "-m", "x"]
    if device is not None:
        command += ["--cert", str(device.certificate), "--key", str(device.key)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def test_the_broker_knows_a_device_by_its_certificate_and_by_nothing_else(bench, port):
    cam = bench.device("cam-01")
    assert publish(port, bench.ca, cam, "line/cam-01/up/data").returncode == 0
    foreign = publish(port, bench.ca, cam, "line/cam-02/up/data")
    assert "Not authorized" in foreign.stdout + foreign.stderr


def test_the_broker_refuses_a_certificate_of_another_ca_and_none(bench, port, tmp_path):
    stranger = site_bench(tmp_path / "other", "plant-a").device("cam-01")
    for device in (stranger, None):
        assert publish(port, bench.ca, device, "line/cam-01/up/data").returncode != 0


def test_a_client_refuses_the_broker_of_another_site(bench, port, tmp_path):
    other = site_bench(tmp_path / "other", "plant-a")
    refused = publish(port, other.ca, bench.device("cam-01"), "line/cam-01/up/data")
    assert refused.returncode != 0
    assert "TLS" in refused.stdout + refused.stderr
