import os
import stat
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519

from gateway.identity import keys
from gateway.identity.files import (
    FileAccessError,
    private_folder,
    read_private,
    write_whole,
)
from gateway.identity.keys import KeyFormatError, recovery_public_key
from gateway.identity.secret import Secret


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077])
def test_a_key_file_is_readable_by_its_owner_only_whatever_the_umask(tmp_path, umask):
    before = os.umask(umask)
    try:
        keys.write(tmp_path / "k.pem", keys.to_pem(keys.draw()))
        private_folder(tmp_path / "pki")
    finally:
        os.umask(before)
    assert mode(tmp_path / "k.pem") == 0o600
    assert mode(tmp_path / "pki") == 0o700


def test_a_written_key_reads_back(tmp_path):
    key = keys.draw()
    keys.write(tmp_path / "k.pem", keys.to_pem(key))
    assert keys.read(tmp_path / "k.pem").private_numbers() == key.private_numbers()


@pytest.mark.parametrize("bits", [0o640, 0o604, 0o660, 0o620, 0o644])
def test_a_key_that_others_may_read_is_refused_and_the_message_says_chmod(tmp_path, bits):
    path = tmp_path / "k.pem"
    keys.write(path, keys.to_pem(keys.draw()))
    path.chmod(bits)
    with pytest.raises(FileAccessError, match=f"mode 0{bits:o}.*chmod 600 {path}"):
        keys.read(path)


def test_an_endless_or_special_file_is_not_read_as_a_key(tmp_path):
    path = tmp_path / "k.pem"
    path.write_bytes(b"x" * 100)
    path.chmod(0o600)
    with pytest.raises(FileAccessError, match="more than 99 bytes"):
        read_private(path, 99)
    with pytest.raises(FileAccessError, match="no plain file"):
        read_private(Path("/dev/zero"), 99)


def test_a_failed_write_leaves_the_old_content_and_no_litter(tmp_path):
    (tmp_path / "target").mkdir()  # a folder cannot be replaced by a file
    with pytest.raises(IsADirectoryError):
        write_whole(tmp_path / "target", b"x", 0o600)
    assert [path.name for path in tmp_path.iterdir()] == ["target"]


def test_a_folder_that_somebody_else_prepared_is_refused(tmp_path):
    open_folder = tmp_path / "open"
    open_folder.mkdir()
    open_folder.chmod(0o755)
    with pytest.raises(FileAccessError, match=f"mode 0755.*chmod 700 {open_folder}"):
        private_folder(open_folder)
    (tmp_path / "link").symlink_to(tmp_path)
    with pytest.raises(FileAccessError, match="is no folder"):
        private_folder(tmp_path / "link")
    assert private_folder(tmp_path / "new") is True
    assert private_folder(tmp_path / "new") is False


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder away")
def test_a_folder_of_another_user_is_refused(tmp_path):
    folder = tmp_path / "theirs"
    folder.mkdir(mode=0o700)
    os.chown(folder, 65534, 65534)
    with pytest.raises(FileAccessError, match="belongs to user 65534"):
        private_folder(folder)


def test_a_secret_shows_its_size_only():
    secret = Secret(b"hunter2")
    for shown in (repr(secret), str(secret), f"{secret}", f"{secret:>40}", repr([secret])):
        assert "hunter2" not in shown
        assert "Secret(7 bytes)" in shown
    assert secret.reveal() == b"hunter2"
    with pytest.raises(TypeError, match="is not pickled"):
        secret.__reduce__()


def test_a_recovery_key_of_the_wrong_kind_is_refused_with_the_way_out():
    def pem(key):
        return key.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )

    good = keys.draw()
    assert recovery_public_key(pem(good), "r.pem") == good.public_key()
    with pytest.raises(KeyFormatError, match=r"r\.pem is a private key, and that must never come"):
        recovery_public_key(keys.to_pem(good).reveal(), "r.pem")
    for other in (ec.generate_private_key(ec.SECP384R1()), ed25519.Ed25519PrivateKey.generate()):
        with pytest.raises(KeyFormatError, match=r"r\.pem is not on curve P-256: make a pair"):
            recovery_public_key(pem(other), "r.pem")
    with pytest.raises(KeyFormatError, match=r"r\.pem is no public key in PEM form"):
        recovery_public_key(b"hello", "r.pem")


def test_a_damaged_private_key_is_refused_without_showing_it(tmp_path):
    path = tmp_path / "k.pem"
    path.write_bytes(b"-----BEGIN PRIVATE KEY-----\nhunter2\n-----END PRIVATE KEY-----\n")
    path.chmod(0o600)
    with pytest.raises(KeyFormatError) as caught:
        keys.read(path)
    assert "hunter2" not in str(caught.value)
    assert caught.value.__cause__ is None
