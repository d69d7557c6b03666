"""What the receiver takes and refuses: each row of docs/upload-protocol.md."""

import json
import struct
from typing import Any

import pytest
import zstandard

from tests.hil.cloud.stand_in import (
    CONTENT_TYPE,
    SITE,
    Cloud,
    digest,
    document,
    sealed,
    with_columns,
    without,
)

PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGNgAAAAAgABSK+kcQAAAABJRU5ErkJggg=="


def test_a_batch_is_echoed_by_its_digest_and_stands_in_the_ledger(cloud: Cloud) -> None:
    body = sealed(document(rows=41))
    answer = cloud.send(body)
    assert answer.status == 200
    assert json.loads(answer.body) == {"batch": digest(body), "rows": 41}
    entry = cloud.kept(body)
    assert entry is not None
    assert (entry.class_, entry.rows, entry.items, entry.times) == ("result", 41, 2, 1)


def test_the_same_batch_again_is_counted_and_not_doubled(cloud: Cloud) -> None:
    body = sealed(document(rows=42))
    first = cloud.send(body)
    second = cloud.send(body)
    assert (second.status, second.body) == (first.status, first.body)
    entries = [entry for entry in cloud.ledger() if entry.batch == digest(body)]
    assert [entry.times for entry in entries] == [2]


def test_a_batch_of_another_class_is_taken_with_pictures_and_released_fields(cloud: Cloud) -> None:
    alert = document(
        **{"class": "alert"},
        rows=43,
        scale={"score": 1000, "field.width": 10},
        labels={},
        columns={
            "time_s": [0, 1],
            "kind": ["defect", "defect"],
            "severity": ["major", "minor"],
            "label": ["scratch", "blob"],
            "score": [900, 800],
            "field.width": [31, None],
            "picture": [PNG, None],
        },
    )
    logs = document(
        **{"class": "log"},
        rows=44,
        scale={},
        labels={},
        columns={"template": ["t1", "t2"], "severity": ["error", "info"], "count": [7, 1]},
    )
    assert cloud.send(sealed(alert)).status == 200
    assert cloud.send(sealed(logs)).status == 200


def test_many_batches_go_over_one_connection(cloud: Cloud) -> None:
    connection = cloud.connect()
    for rows in (51, 52, 53):
        body = sealed(document(rows=rows))
        headers = {
            "Content-Type": CONTENT_TYPE,
            "Content-Encoding": "zstd",
            "Idempotency-Key": digest(body),
        }
        connection.request("POST", f"/v1/batches/{digest(body)}", body, headers)
        assert json.loads(connection.getresponse().read())["rows"] == rows
    connection.close()


def refused(cloud: Cloud, body: bytes, status: int, code: str, **parts: Any) -> str:
    answer = cloud.send(body, **parts)
    assert (answer.status, answer.error) == (status, code)
    assert cloud.kept(body) is None
    return str(json.loads(answer.body)["detail"])


def test_a_body_that_is_not_what_its_path_says_is_refused(cloud: Cloud) -> None:
    body = sealed(document(rows=60))
    detail = refused(cloud, body, 400, "digest-mismatch", name="0" * 64)
    assert detail == f"the path names {'0' * 64}, the body is {digest(body)}"


def test_a_path_that_is_no_digest_is_refused(cloud: Cloud) -> None:
    refused(cloud, sealed(document(rows=61)), 400, "digest-malformed", name="A" * 64)


def test_an_idempotency_key_that_differs_from_the_path_is_refused(cloud: Cloud) -> None:
    other = {"Idempotency-Key": "0" * 64}
    refused(cloud, sealed(document(rows=62)), 400, "key-mismatch", headers=other)


def test_another_content_type_is_refused(cloud: Cloud) -> None:
    other = {"Content-Type": "application/json"}
    refused(cloud, sealed(document(rows=63)), 415, "content-type", headers=other)


def test_another_content_encoding_is_refused(cloud: Cloud) -> None:
    other = {"Content-Encoding": "gzip"}
    refused(cloud, sealed(document(rows=64)), 415, "content-encoding", headers=other)


def test_a_body_over_16_mib_is_refused_before_it_is_read(cloud: Cloud) -> None:
    refused(cloud, bytes((16 << 20) + 1), 413, "body-too-large")


def test_a_body_of_unstated_length_is_refused_once_it_is_over_16_mib(cloud: Cloud) -> None:
    connection = cloud.connect()
    headers = {
        "Content-Type": CONTENT_TYPE,
        "Content-Encoding": "zstd",
        "Idempotency-Key": "0" * 64,
        "Transfer-Encoding": "chunked",
    }
    chunks = (bytes(1 << 20) for _ in range(17))
    connection.request("POST", f"/v1/batches/{'0' * 64}", chunks, headers, encode_chunked=True)
    answer = connection.getresponse()
    assert (answer.status, json.loads(answer.read())["error"]) == (413, "body-too-large")
    connection.close()


def test_another_sites_batch_is_refused(cloud: Cloud) -> None:
    detail = refused(cloud, sealed(document(site="plant-b")), 403, "other-site")
    assert detail == f"the certificate is of {SITE!r}, the batch of 'plant-b'"


def test_another_path_and_another_method_are_refused_in_the_protocols_form(cloud: Cloud) -> None:
    connection = cloud.connect()
    connection.request("GET", "/")
    answer = connection.getresponse()
    assert (answer.status, json.loads(answer.read())["error"]) == (404, "no-such-path")
    connection.request("GET", f"/v1/batches/{'0' * 64}")
    answer = connection.getresponse()
    assert (answer.status, json.loads(answer.read())["error"]) == (405, "no-such-method")
    connection.close()


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"plain text",
        sealed(document(rows=70))[:-1],
        sealed(document(rows=70)) + b"\0",
        sealed(document(rows=70)) + sealed(document(rows=71)),
        zstandard.ZstdCompressor(write_content_size=False).compress(b'{"v":1}'),
    ],
    ids=["nothing", "text", "cut short", "a byte more", "two frames", "no content size"],
)
def test_what_is_not_one_whole_zstd_frame_is_refused(cloud: Cloud, body: bytes) -> None:
    refused(cloud, body, 400, "not-zstd")


@pytest.mark.parametrize("text", [b"", b"{", b"\xff\xfe", b"{}x", b"[" * 100_000 + b"]" * 100_000])
def test_what_is_not_json_is_refused(cloud: Cloud, text: bytes) -> None:
    refused(cloud, zstandard.ZstdCompressor().compress(text), 400, "not-json")


def test_a_zstd_bomb_is_refused_without_its_memory(cloud: Cloud) -> None:
    gib = 1 << 30
    packer = zstandard.ZstdCompressor(level=1).compressobj(size=gib)
    zeros = bytes(1 << 20)
    honest = b"".join(packer.compress(zeros) for _ in range(1024)) + packer.flush()
    before_kb = cloud.peak_kb()
    refused(cloud, honest, 413, "decoded-too-large")
    at = honest.index(struct.pack("<I", gib))
    assert at < 8, "the content size stands in the frame's header"
    lying = honest[:at] + struct.pack("<I", 1 << 20) + honest[at + 4 :]
    refused(cloud, lying, 400, "not-zstd")
    assert cloud.peak_kb() - before_kb < 100_000


LABELS = {"model": ["brick@1"], "label": ["ok", "scratch"]}


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (without("rows"), "missing required field `rows`"),
        (document(device="cam-01"), "unknown field `device`"),
        (document(v=2), "$.v"),
        (document(**{"class": "metric"}), "$.class"),
        (document(rows=0), "$.rows"),
        (document(rows=True), "$.rows"),
        (document(privacy="dp"), "$.privacy"),
        (document(contract="none"), "$.contract"),
        (document(items=3), "column time_s has 2 values, items says 3"),
        (with_columns(score=[1]), "column score has 1 values, items says 2"),
        (with_columns(score=[0.5, 1]), "column score: Expected `int | null`, got `float`"),
        (with_columns(score=["1", 2]), "column score: Expected `int | null`, got `str`"),
        (with_columns(score=[1, None]), "column score has no value at record 1"),
        (with_columns(label=[0, 2]), "column label: record 1 is label 2, the last label is 1"),
        (with_columns(label=[-1, 0]), "column label: record 0 is label -1, the last label is 1"),
        (with_columns(device=["cam-01", "cam-02"]), "class result has no column device"),
        (with_columns(**{"field.Width": [1, 2]}), "class result has no column field.Width"),
        (with_columns(picture=[PNG, PNG]), "class result has no column picture"),
        (document(columns={"time_s": [0, 1]}), "class result needs column label, latency_ms, mo"),
        (document(scale={"watts": 10}), "scale names watts, which is no column"),
        (document(labels=LABELS | {"watts": []}), "labels names watts, which is no column"),
        (document(scale={"label": 10}), "label stands in scale and in labels"),
        (document(labels=LABELS | {"label": ["ok", "ok"]}), "labels of label hold a label twice"),
        (document(scale={"score": 0}), "$.scale"),
    ],
    ids=lambda part: part if isinstance(part, str) else "",
)
def test_a_document_that_breaks_a_rule_is_refused_with_the_rule(
    cloud: Cloud, content: dict[str, Any], says: str
) -> None:
    assert says in refused(cloud, sealed(content), 422, "document")


@pytest.mark.parametrize("picture", ["no base64!", "cGxhaW4="], ids=["no base64", "no PNG"])
def test_a_picture_that_is_no_png_is_refused(cloud: Cloud, picture: str) -> None:
    alert = document(
        **{"class": "alert"},
        items=1,
        scale={},
        labels={},
        columns={
            "time_s": [0],
            "kind": ["defect"],
            "severity": ["major"],
            "label": ["blob"],
            "score": [1],
            "picture": [picture],
        },
    )
    assert "column picture: record 0 is no" in refused(cloud, sealed(alert), 422, "document")
