"""What lies on the disk opens at its own place under its own key, and nowhere else."""

import os

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import given
from hypothesis import strategies as st

from gateway.model.cipher import (
    NONCE_BYTES,
    PLAIN,
    TAG_BYTES,
    USES_MAX,
    USES_RENEW,
    Cipher,
    UnreadableError,
    WornKeyError,
)

KEY = bytes(range(32))


def cipher(*, plain: bool = False) -> Cipher:
    return Cipher(os.urandom, {1: AESGCM(KEY)}, 1, plain=plain)


@given(st.binary(max_size=300), st.text(max_size=40))
def test_what_was_sealed_opens_at_its_place_and_is_28_bytes_longer(content: bytes, place: str):
    one = cipher()
    key_id, sealed = one.seal(content, place)
    assert key_id == 1
    assert len(sealed) == len(content) + NONCE_BYTES + TAG_BYTES == len(content) + 28
    assert one.open(key_id, sealed, place) == content


def test_a_value_that_was_copied_to_another_place_does_not_open():
    one = cipher()
    key_id, sealed = one.seal(b"x", "message|cam-01|7|data|1")
    with pytest.raises(UnreadableError, match=r"cam-02\|7\|data\|1: changed or damaged"):
        one.open(key_id, sealed, "message|cam-02|7|data|1")


@given(st.integers(0, 8 * (28 + 5) - 1))
def test_a_flipped_bit_is_noticed_wherever_it_is(bit: int):
    one = cipher()
    key_id, sealed = one.seal(b"hello", "p")
    changed = bytearray(sealed)
    changed[bit // 8] ^= 1 << bit % 8
    with pytest.raises(UnreadableError):
        one.open(key_id, bytes(changed), "p")


@pytest.mark.parametrize("left", [0, 1, 11, 27])
def test_a_value_that_was_cut_does_not_open(left: int):
    one = cipher()
    key_id, sealed = one.seal(b"hello", "p")
    with pytest.raises(UnreadableError):
        one.open(key_id, sealed[:left], "p")


def test_a_value_whose_key_is_gone_says_which_key():
    one = cipher()
    with pytest.raises(UnreadableError, match="p: its data key 9 is not there"):
        one.open(9, b"x" * 40, "p")


def test_no_two_values_share_a_nonce():
    one = cipher()
    nonces = {one.seal(b"same", "p")[1][:NONCE_BYTES] for _ in range(1_000)}
    assert len(nonces) == 1_000


def test_plain_text_of_the_first_schema_opens_only_while_there_is_some():
    one = cipher(plain=True)
    assert one.open(PLAIN, b"old", "p") == b"old"
    one.forget(PLAIN)
    with pytest.raises(UnreadableError):
        one.open(PLAIN, b"forged", "p")
    with pytest.raises(UnreadableError):
        cipher().open(PLAIN, b"forged", "p")


def test_a_new_key_seals_from_now_on_and_the_old_one_still_opens():
    one = cipher()
    old = one.seal(b"x", "p")
    one.adopt(2, AESGCM(bytes(32)))
    assert one.seal(b"y", "p")[0] == one.current == 2
    assert one.open(*old, "p") == b"x"
    one.forget(1)
    with pytest.raises(UnreadableError, match="key 1 is not there"):
        one.open(*old, "p")
    with pytest.raises(ValueError, match="data key 2 is in use"):
        one.forget(2)


def test_a_key_is_worn_at_half_its_bound_and_seals_nothing_beyond_it():
    one = cipher()
    one._uses = USES_RENEW - 1
    states = [one.worn]
    one.seal(b"x", "p")
    assert [*states, one.worn] == [False, True]
    one._uses = USES_MAX
    with pytest.raises(WornKeyError, match="may seal no more: restart the gateway"):
        one.seal(b"x", "p")
    one.adopt(2, AESGCM(bytes(32)))
    assert one.worn is False
    assert one.seal(b"x", "p")[0] == 2


def test_a_cipher_shows_no_key():
    assert KEY.hex() not in repr(cipher())
    assert str(cipher()) == "Cipher(current=1, keys=[1])"
