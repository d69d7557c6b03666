"""The check of a body is total: whatever comes is a batch or a refusal, never an error."""

import hashlib
import json

import zstandard
from hypothesis import given
from hypothesis import strategies as st

from hil.cloud.batch import Batch, examine
from hil.cloud.records import plain_bytes, records
from hil.cloud.refusal import Refusal
from tests.hil.cloud.stand_in import document, sealed

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


def judged(body: bytes) -> Batch | Refusal:
    return examine(hashlib.sha256(body).hexdigest(), body)


@given(st.binary())
def test_random_bytes_are_refused(body: bytes) -> None:
    assert isinstance(judged(body), Refusal)


@given(st.binary())
def test_random_content_of_a_good_frame_is_refused(content: bytes) -> None:
    assert isinstance(judged(zstandard.ZstdCompressor().compress(content)), Refusal)


@given(st.sampled_from(sorted(document())), JSON)
def test_a_strange_value_in_one_member_is_judged_and_never_an_error(
    name: str, value: object
) -> None:
    verdict = judged(sealed(document(**{name: value})))
    if isinstance(verdict, Batch):
        assert len(records(verdict)) == verdict.document.items


@given(st.integers(0, len(json.dumps(document())) - 1), st.integers(0, 255))
def test_a_batch_with_a_changed_byte_is_judged_and_never_an_error(at: int, byte: int) -> None:
    text = bytearray(json.dumps(document()).encode())
    text[at] = byte
    verdict = judged(zstandard.ZstdCompressor().compress(bytes(text)))
    if isinstance(verdict, Batch):
        assert plain_bytes(records(verdict)) > 0
    else:
        assert verdict.status in {400, 422}


def test_a_number_of_ten_thousand_digits_is_refused() -> None:
    text = json.dumps(document()).replace("991", "9" * 10_000).encode()
    verdict = judged(zstandard.ZstdCompressor().compress(text))
    assert isinstance(verdict, Refusal)
    assert verdict.status == 422
