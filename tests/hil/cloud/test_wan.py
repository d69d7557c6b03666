"""The WAN of the stand-in, cut and mended while it runs."""

import socket
import ssl

import pytest

from hil.cloud.mode import ModeFile
from hil.cloud.presence import Presence
from tests.hil.cloud.stand_in import CONTENT_TYPE, Cloud, document, sealed


def test_a_cut_wan_refuses_connections_and_the_mended_one_serves_on_the_same_port(
    cloud: Cloud,
) -> None:
    port = cloud.serving.port
    assert cloud.run("wan", "down") == 0
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port))
    assert cloud.run("wan", "up") == 0
    assert cloud.serving.port == port
    assert cloud.send(sealed(document(rows=201))).status == 200


def ends(line: socket.socket) -> bool:
    """Whether the other side ended the connection; waits no longer than the socket does."""
    try:
        return line.recv(1) == b""
    except (ConnectionResetError, ssl.SSLError):
        return True


def test_a_cut_wan_aborts_the_connections_that_stand(cloud: Cloud) -> None:
    with (
        socket.create_connection(("127.0.0.1", cloud.serving.port), timeout=10) as plain,
        cloud.tls().wrap_socket(plain, server_hostname="localhost") as line,
    ):
        head = ["POST /v1/batches/{} HTTP/1.1", "Host: localhost", "Content-Length: 9"]
        head += [f"Content-Type: {CONTENT_TYPE}", "Content-Encoding: zstd"]
        head += ["Idempotency-Key: {}", "", ""]
        line.sendall("\r\n".join(head).replace("{}", "0" * 64).encode())  # and no body
        cloud.run("wan", "down")
        assert ends(line)


def test_nobody_else_gets_the_port_while_the_wan_is_down(cloud: Cloud) -> None:
    cloud.run("wan", "down")
    with socket.socket() as thief, pytest.raises(OSError, match="Address already in use"):
        thief.bind(("127.0.0.1", cloud.serving.port))


def test_the_cut_outlives_the_server(own_cloud: Cloud, capsys: pytest.CaptureFixture[str]) -> None:
    assert own_cloud.run("wan", "down") == 0
    assert "WAN down from the next start on: no server runs" in capsys.readouterr().out
    serving = own_cloud.start()
    assert serving.wan == "down"
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", serving.port))
    own_cloud.kill()
    assert own_cloud.start().wan == "down"
    assert own_cloud.run("wan", "up") == 0
    assert own_cloud.send(sealed(document())).status == 200


def test_a_server_keeps_its_port_over_a_restart(own_cloud: Cloud) -> None:
    first = own_cloud.start().port
    own_cloud.kill()
    assert own_cloud.start().port == first


def test_a_second_server_on_the_same_folder_is_refused(
    cloud: Cloud, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cloud.run("serve") == 2
    assert "a server runs on" in capsys.readouterr().err


def test_a_killed_server_is_not_taken_for_a_running_one(own_cloud: Cloud) -> None:
    own_cloud.start()
    own_cloud.kill()
    assert (own_cloud.folder / "serving.json").exists()
    assert Presence(own_cloud.folder).serving() is None


def test_an_ended_server_takes_its_announcement_with_it(own_cloud: Cloud) -> None:
    own_cloud.start()
    assert own_cloud.close() == 0
    assert not (own_cloud.folder / "serving.json").exists()


def test_mending_the_wan_leaves_the_fault_in_force(own_cloud: Cloud) -> None:
    own_cloud.run("fault", "refuse", "--count", "3")
    own_cloud.run("wan", "down")
    own_cloud.run("wan", "up")
    assert ModeFile(own_cloud.folder).read().fault.remaining == 3
