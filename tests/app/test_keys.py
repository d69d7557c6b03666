"""The keys of the queue at start: drawn once, opened again, and missed with a clear sentence."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.app.keys import Keys, begin
from gateway.app.offline import STATE_MIGRATIONS
from gateway.identity import kek, keyring, keys, keystore, recovery
from gateway.identity.files import FileAccessError
from gateway.identity.keyring import KEYS_MAX, YOUNG_MS, KeyringError
from gateway.model.cipher import UnreadableError
from gateway.model.time import SiteTime
from gateway.store.sqlite import open_offline

RECOVERY = keys.draw()
NOW = SiteTime(1_800_000_000_000)


@pytest.fixture
def db(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    with open_offline(tmp_path / "state.db", STATE_MIGRATIONS) as opened:
        yield opened


def start(db: sqlite3.Connection, state: Path, now: int = NOW) -> Keys:
    return begin(db, state, RECOVERY.public_key(), "plant-a", SiteTime(now))


def test_what_one_start_sealed_the_next_opens(db, tmp_path: Path):
    sealed = start(db, tmp_path).cipher.seal(b"x", "p")
    assert start(db, tmp_path, NOW + 10 * YOUNG_MS).cipher.open(*sealed, "p") == b"x"


def test_a_start_has_a_data_key_of_its_own_unless_the_last_one_is_young(db, tmp_path: Path):
    first = start(db, tmp_path).cipher.current
    assert start(db, tmp_path, NOW + YOUNG_MS - 1).cipher.current == first
    assert start(db, tmp_path, NOW + YOUNG_MS).cipher.current == first + 1


def test_restarts_in_a_loop_make_no_key_each(db, tmp_path: Path):
    for _ in range(5):
        start(db, tmp_path)
    assert len(keystore.data_keys(db)) == 1


def test_a_key_that_was_retired_seals_nothing_more(db, tmp_path: Path):
    first = start(db, tmp_path).cipher.current
    keystore.raise_floor(db, keystore.RETIRED, first)
    assert start(db, tmp_path).cipher.current == first + 1


def test_a_disk_that_takes_nothing_keeps_no_site_from_starting(db, tmp_path: Path):
    """The newest key goes on: what has a reserve on a full disk must come in."""
    first = start(db, tmp_path)
    sealed = first.cipher.seal(b"x", "p")
    db.execute("PRAGMA query_only = ON")
    again = start(db, tmp_path, NOW + YOUNG_MS)
    assert again.cipher.current == first.cipher.current
    assert again.cipher.open(*sealed, "p") == b"x"


def test_a_first_start_on_a_disk_that_takes_nothing_fails(db, tmp_path: Path):
    db.execute("PRAGMA query_only = ON")
    with pytest.raises(sqlite3.OperationalError, match="readonly"):
        start(db, tmp_path)


def test_the_databases_alone_open_nothing(db, tmp_path: Path):
    start(db, tmp_path)
    (file,) = (tmp_path / "keys").iterdir()
    file.unlink()
    with pytest.raises(KeyringError) as caught:
        start(db, tmp_path)
    assert str(caught.value) == (
        f"{file}: No such file or directory: without it the queue cannot be read: put the file "
        "back, or open the queue's keys with the company's recovery key: "
        "'site-gateway keys recover --recovery-key PRIVATE.pem' (docs/keys.md)"
    )
    assert list((tmp_path / "keys").iterdir()) == [], "a new key would hide what is missing"


@pytest.mark.parametrize("content", ["", "zz", "0" * 64, "0" * 63])
def test_a_damaged_key_file_is_told_before_it_opens_anything(db, tmp_path: Path, content: str):
    start(db, tmp_path)
    (file,) = (tmp_path / "keys").iterdir()
    file.write_text(content)
    with pytest.raises(KeyringError, match="does not hold the key that its name says"):
        start(db, tmp_path)


def test_a_key_file_that_others_may_read_is_refused(db, tmp_path: Path):
    start(db, tmp_path)
    (file,) = (tmp_path / "keys").iterdir()
    file.chmod(0o644)
    with pytest.raises(FileAccessError, match=f"chmod 600 {file}"):
        start(db, tmp_path)


def test_the_key_file_and_its_folder_are_their_owners_alone(db, tmp_path: Path):
    start(db, tmp_path)
    (file,) = (tmp_path / "keys").iterdir()
    assert (file.stat().st_mode & 0o777, file.parent.stat().st_mode & 0o777) == (0o600, 0o700)


def test_a_wrapped_key_that_was_changed_or_moved_to_another_number_does_not_open(db, tmp_path):
    start(db, tmp_path)
    start(db, tmp_path, NOW + YOUNG_MS)
    db.execute("UPDATE data_key SET wrapped = (SELECT wrapped FROM data_key WHERE id = 1)")
    with pytest.raises(KeyringError, match=r"data key 2 in state\.db does not open with"):
        start(db, tmp_path)


def test_the_holder_of_the_recovery_key_opens_every_data_key(db, tmp_path: Path):
    sealed = start(db, tmp_path).cipher.seal(b"x", "p")
    (stored,) = keystore.data_keys(db)
    secret = recovery.unwrap(
        stored.recovery, RECOVERY, purpose=keyring.purpose(stored.number), site="plant-a"
    )
    (key,) = keyring.ciphers({stored.number: secret}).values()
    nonce, rest = sealed[1][:12], sealed[1][12:]
    assert key.decrypt(nonce, rest, b"p") == b"x"


def test_a_key_file_that_wraps_nothing_is_removed_once_the_others_are_whole(db, tmp_path: Path):
    start(db, tmp_path)
    kek.draw(tmp_path / "keys")
    assert len(kek.names(tmp_path / "keys")) == 2
    again = start(db, tmp_path)
    assert kek.names(tmp_path / "keys") == [again.wrapping.kek.name]


def test_no_secret_lies_in_the_database(db, tmp_path: Path):
    start(db, tmp_path)
    (name,) = kek.names(tmp_path / "keys")
    secret = kek.read(tmp_path / "keys", name)
    (stored,) = keystore.data_keys(db)
    data_key = keyring.unwrap(secret, stored).reveal()
    content = b"".join(path.read_bytes() for path in tmp_path.glob("state.db*"))
    for key in (secret.secret.reveal(), data_key):
        assert key not in content
        assert key.hex().encode() not in content


def test_plain_text_is_believed_until_a_walk_has_found_none(db, tmp_path: Path):
    assert start(db, tmp_path).cipher.open(0, b"old", "p") == b"old"
    keystore.raise_floor(db, keystore.PLAIN_ENDED, 1)
    with pytest.raises(UnreadableError):
        start(db, tmp_path).cipher.open(0, b"forged", "p")


def test_a_floor_is_raised_and_never_lowered(db):
    for value in (5, 3, 7, 1):
        keystore.raise_floor(db, "x", value)
    assert keystore.floors(db) == {"x": 7}


def test_of_too_many_data_keys_the_older_half_is_retired():
    assert keyring.retire_up_to(list(range(1, KEYS_MAX + 1))) is None
    many = list(range(1, KEYS_MAX + 2))
    assert keyring.retire_up_to(many) == many[len(many) // 2]
