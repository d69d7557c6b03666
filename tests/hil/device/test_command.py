"""`python -m hil.linedevice`: what it needs, and what it says when that is not there."""

import gc
import json
import socket
import threading
import warnings

import pytest
from paho.mqtt import client as mqtt
from paho.mqtt.enums import CallbackAPIVersion

from hil.linedevice.__main__ import main
from hil.linedevice.connection import FolderError, read_connection, read_trust
from tests.support.certificates import site_bench

GOOD = {
    "id": "cam-01",
    "profile": "factory-camera-v2",
    "host": "127.0.0.1",
    "mqtt_port": 8883,
    "https_port": 8443,
    "ca": "ca.pem",
    "certificate": "cert.pem",
    "key": "key.pem",
}


@pytest.fixture
def folder(tmp_path):
    bench = site_bench(tmp_path / "pki")
    pair = bench.device("cam-01")
    (tmp_path / "ca.pem").write_bytes(bench.ca.read_bytes())
    (tmp_path / "cert.pem").write_bytes(pair.certificate.read_bytes())
    (tmp_path / "key.pem").write_bytes(pair.key.read_bytes())
    (tmp_path / "connection.json").write_text(json.dumps(GOOD))
    return tmp_path


def test_a_good_folder_is_read_and_what_a_later_one_adds_is_ignored(folder):
    (folder / "connection.json").write_text(json.dumps(GOOD | {"later": 1}))
    connection = read_connection(folder)
    assert (connection.id, connection.mqtt_port) == ("cam-01", 8883)
    assert read_trust(folder, connection).check_hostname


def test_help_is_plain_and_names_every_option(capsys):
    with pytest.raises(SystemExit) as end:
        main(["--help"])
    assert end.value.code == 0
    said = capsys.readouterr().out
    for word in ("DIR", "--rate", "--defects", "--seed", "--model", "--json", "Exit codes"):
        assert word in said


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["a", "b"],
        ["a", "--rate", "0"],
        ["a", "--rate", "nan"],
        ["a", "--rate", "fast"],
        ["a", "--defects", "1.5"],
        ["a", "--seed", "x"],
    ],
)
def test_unusable_arguments_end_with_2_and_a_usage_line(words, capsys):
    with pytest.raises(SystemExit) as end:
        main(words)
    assert end.value.code == 2
    assert "usage:" in capsys.readouterr().err


def test_a_folder_without_connection_json_says_which_command_writes_it(tmp_path, capsys):
    assert main([str(tmp_path)]) == 2
    said = capsys.readouterr().err
    assert f"{tmp_path / 'connection.json'}: No such file or directory." in said
    assert "site-gateway device add" in said


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("{", "truncated"),
        ("[]", "Expected `object`"),
        (json.dumps(GOOD | {"mqtt_port": 0}), "mqtt_port"),
        (json.dumps(GOOD | {"id": "Cam 1"}), "id"),
        (json.dumps({k: v for k, v in GOOD.items() if k != "host"}), "host"),
    ],
)
def test_a_connection_json_that_is_not_one_says_where(folder, text, names, capsys):
    (folder / "connection.json").write_text(text)
    assert main([str(folder)]) == 2
    assert names in capsys.readouterr().err


@pytest.mark.parametrize("name", ["ca.pem", "cert.pem", "key.pem"])
def test_a_missing_file_of_the_folder_is_named(folder, name):
    (folder / name).unlink()
    with pytest.raises(FolderError, match=name):
        read_trust(folder, read_connection(folder))


def test_a_key_of_another_device_is_refused(folder):
    (folder / "key.pem").write_bytes(site_bench(folder / "other").device("cam-02").key.read_bytes())
    with pytest.raises(FolderError, match="no certificate with its key"):
        read_trust(folder, read_connection(folder))


@pytest.mark.parametrize(
    ("content", "says"), [(None, "Give the ONNX file with --model"), (b"no model", "does not load")]
)
def test_an_unusable_model_ends_with_2(folder, content, says, capsys):
    model = folder / "model.onnx"
    if content is not None:
        model.write_bytes(content)
    assert main([str(folder), "--model", str(model)]) == 2
    assert says in capsys.readouterr().err


def test_a_broker_that_dies_in_the_handshake_leaves_no_socket_behind(folder):
    with socket.create_server(("127.0.0.1", 0)) as broker:

        def die() -> None:
            peer, _ = broker.accept()
            peer.recv(1)
            peer.close()

        dying = threading.Thread(target=die)
        dying.start()
        client = mqtt.Client(CallbackAPIVersion.VERSION2)
        client.tls_set_context(read_trust(folder, read_connection(folder)))
        with warnings.catch_warnings(record=True) as left:
            warnings.simplefilter("always", ResourceWarning)
            with pytest.raises(OSError, match=r"reset|EOF|closed"):
                client.connect(*broker.getsockname())
            del client
            gc.collect()
        dying.join()
    assert [str(one.message) for one in left] == []
