import base64
import json

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from gateway.identity import keys, recovery
from gateway.identity.recovery import EnvelopeError, unwrap, wrap
from gateway.identity.secret import Secret

SECRET = Secret(b"the site CA's key")

# wrap(Secret(b"vector"), ...) of version 1 to the key of the last test
VECTOR = (
    b'{"header":{"v":1,"suite":"ECDH-P256+HKDF-SHA256+AES-256-GCM","purpose":"site-ca-key","si'
    b'te":"plant-a","recipient":"6141dcce43fb19dae20677df833be4205b5c2e007e258e752f8e90f749980'
    b'a96","ephemeral":"BCIfrq0WlUUyUeLue9CnMN5D7BTo2iJtHKE7sIH/KigBu7mescP6cXu2t+cmrUaQaMAeAP'
    b'2OqVVAhin5LrB6KaE="},"sealed":"T933QeV+plaAcNgALZLLox+XaJQuLA=="}'
)


def sealed(private_key, **change) -> bytes:
    """An envelope for ``private_key`` with fields of its header changed afterwards."""
    envelope = json.loads(wrap(SECRET, private_key.public_key(), purpose="p", site="s"))
    envelope["header"] |= change
    return json.dumps(envelope).encode()


def test_what_is_wrapped_is_opened_by_the_private_half():
    private = keys.draw()
    for secret in (b"", b"x", bytes(range(256)) * 100):
        envelope = wrap(Secret(secret), private.public_key(), purpose="p", site="s")
        assert unwrap(envelope, private, purpose="p", site="s").reveal() == secret


def test_an_envelope_does_not_show_what_it_holds():
    envelope = wrap(SECRET, keys.draw().public_key(), purpose="p", site="s")
    shown = base64.b64decode(json.loads(envelope)["sealed"])
    assert SECRET.reveal() not in envelope
    assert SECRET.reveal() not in shown


def test_two_envelopes_of_one_secret_have_nothing_in_common():
    recipient = keys.draw().public_key()
    one, other = (json.loads(wrap(SECRET, recipient, purpose="p", site="s")) for _ in range(2))
    assert one["header"]["ephemeral"] != other["header"]["ephemeral"]
    assert one["sealed"] != other["sealed"]


def test_another_recovery_key_is_named_not_tried():
    mine, theirs = keys.draw(), keys.draw()
    with pytest.raises(EnvelopeError) as caught:
        unwrap(sealed(mine), theirs, purpose="p", site="s")
    named = recovery.key_id(mine.public_key())[:16], recovery.key_id(theirs.public_key())[:16]
    assert str(caught.value) == f"the envelope is for recovery key {named[0]}, this is {named[1]}"


def test_an_envelope_relabelled_to_another_key_does_not_open():
    mine, theirs = keys.draw(), keys.draw()
    relabelled = sealed(mine, recipient=recovery.key_id(theirs.public_key()))
    with pytest.raises(EnvelopeError, match="was changed or cut"):
        unwrap(relabelled, theirs, purpose="p", site="s")


@pytest.mark.parametrize(("purpose", "site"), [("backup", "s"), ("p", "plant-b")])
def test_an_envelope_for_another_purpose_or_site_is_refused_even_when_relabelled(purpose, site):
    private = keys.draw()
    with pytest.raises(EnvelopeError, match=f"not '{purpose}' of site '{site}'"):
        unwrap(sealed(private), private, purpose=purpose, site=site)
    with pytest.raises(EnvelopeError, match="was changed or cut"):
        unwrap(sealed(private, purpose=purpose, site=site), private, purpose=purpose, site=site)


def test_any_changed_byte_is_noticed():
    private = keys.draw()
    good = wrap(SECRET, private.public_key(), purpose="p", site="s")
    for at in range(0, len(good) - 1, 7):
        bad = good[:at] + bytes([good[at] ^ 1]) + good[at + 1 :]
        with pytest.raises(EnvelopeError):
            unwrap(bad, private, purpose="p", site="s")


@pytest.mark.parametrize(
    ("envelope", "why"),
    [
        (b"", "no envelope of version 1"),
        (b"{}", "no envelope of version 1"),
        (b"[" * 200_000, "at most 131072 are read"),
        (sealed(keys.draw(), v=2), "no envelope of version 1"),
        (sealed(keys.draw(), suite="rot13"), "no envelope of version 1"),
        (sealed(keys.draw(), ephemeral="BAAA"), "no envelope of version 1"),
    ],
)
def test_what_is_no_envelope_is_refused(envelope, why):
    with pytest.raises(EnvelopeError, match=why):
        unwrap(envelope, keys.draw(), purpose="p", site="s")


def test_the_format_of_version_1_is_for_ever():
    """An envelope of 2026 in somebody's safe must open with every later release."""
    private = ec.derive_private_key(2026, ec.SECP256R1())
    assert unwrap(VECTOR, private, purpose="site-ca-key", site="plant-a").reveal() == b"vector"
    assert recovery.SITE_CA_KEY == "site-ca-key"
