"""Is this body a batch of the upload protocol, version 1? Pure: bytes in, a batch or a refusal out.

The rules are those of docs/upload-protocol.md and nothing milder: what a forgiving
receiver lets pass in development is refused by the real one in a factory.
"""

import base64
import binascii
import hashlib
import re
from dataclasses import dataclass
from typing import Annotated, Final, Literal

import msgspec
import zstandard

from hil.cloud.refusal import Refusal

BODY_MAX_BYTES: Final = 16 << 20
DECODED_MAX_BYTES: Final = 64 << 20
ITEMS_MAX: Final = 1_000_000
COLUMNS_MAX: Final = 80
LABELS_MAX: Final = 10_000
LABEL_MAX_CHARS: Final = 256
CELL_MAX_CHARS: Final = 512 << 10

ZSTD_MAGIC: Final = b"\x28\xb5\x2f\xfd"
PNG_MAGIC: Final = b"\x89PNG\r\n\x1a\n"
DIGEST: Final = re.compile(r"[0-9a-f]{64}")
FIELD: Final = re.compile(r"field\.[a-z][a-z0-9_]{0,47}")

REQUIRED: Final[dict[str, frozenset[str]]] = {
    "alert": frozenset({"time_s", "kind", "severity", "label", "score"}),
    "result": frozenset({"time_s", "model", "label", "score", "latency_ms"}),
    "log": frozenset({"template", "severity", "count"}),
}
WITHHELD: Final = frozenset({"score", "latency_ms"})
"""A contract may keep these columns at the site: then they have no value at all."""
OPTIONAL: Final[dict[str, frozenset[str]]] = {"alert": frozenset({"picture"})}

Column = list[int | str | None]
Columns = dict[str, Column]
"""Stored values: quantised, not yet divided by their scale, labels as positions."""

Name = Annotated[str, msgspec.Meta(min_length=1, max_length=128)]
Label = Annotated[str, msgspec.Meta(max_length=LABEL_MAX_CHARS)]
Whole = Annotated[int, msgspec.Meta(ge=-(2**53), le=2**53)]
Cell = Whole | Annotated[str, msgspec.Meta(max_length=CELL_MAX_CHARS)] | None
Sha256 = Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{64}$")]


class Document(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The JSON object of a batch. Its columns are still text, to be read one by one."""

    v: Literal[1]
    class_: Literal["alert", "result", "log"] = msgspec.field(name="class")
    site: Annotated[str, msgspec.Meta(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$")]
    nonce: Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{32}$")]
    rows: Annotated[int, msgspec.Meta(ge=1, le=2**53)]
    items: Annotated[int, msgspec.Meta(ge=0, le=ITEMS_MAX)]
    contract: Sha256
    privacy: Literal["not-dp"]
    t0_s: Annotated[int, msgspec.Meta(ge=0, le=2**53)]
    scale: Annotated[
        dict[Name, Annotated[int, msgspec.Meta(ge=1, le=2**53)]],
        msgspec.Meta(max_length=COLUMNS_MAX),
    ]
    labels: Annotated[
        dict[Name, Annotated[list[Label], msgspec.Meta(max_length=LABELS_MAX)]],
        msgspec.Meta(max_length=COLUMNS_MAX),
    ]
    columns: Annotated[dict[Name, msgspec.Raw], msgspec.Meta(max_length=COLUMNS_MAX)]


@dataclass(frozen=True, slots=True)
class Batch:
    """A batch that keeps every rule."""

    digest: str
    document: Document
    columns: Columns
    decoded_bytes: int


_ANY: Final = msgspec.json.Decoder(msgspec.Raw)
_DOCUMENT: Final = msgspec.json.Decoder(Document)
_WHOLES: Final = msgspec.json.Decoder(list[Whole | None])
_CELLS: Final = msgspec.json.Decoder(list[Cell])


def examine(digest: str, body: bytes) -> Batch | Refusal:
    """Return the batch in ``body``, or the first rule that it breaks.

    At most ``DECODED_MAX_BYTES`` are ever decoded, whatever the frame claims or holds.
    """
    sent = hashlib.sha256(body).hexdigest()
    if sent != digest:
        return Refusal(400, "digest-mismatch", f"the path names {digest}, the body is {sent}")
    text = unpack(body)
    if isinstance(text, Refusal):
        return text
    document = _read(text)
    if isinstance(document, Refusal):
        return document
    columns = _read_columns(document)
    finding = columns if isinstance(columns, str) else _misfit(document, columns)
    if isinstance(columns, str) or finding:
        return Refusal(422, "document", finding)
    return Batch(digest, document, columns, len(text))


def unpack(body: bytes) -> bytes | Refusal:
    """Return the content of ``body``, which must be one whole zstd frame that states its size."""
    if not body.startswith(ZSTD_MAGIC):
        return Refusal(400, "not-zstd", "the body does not begin with a zstd frame")
    try:
        size = zstandard.get_frame_parameters(body).content_size
        if size == zstandard.CONTENTSIZE_UNKNOWN:
            return Refusal(400, "not-zstd", "the zstd frame does not state its content size")
        if size > DECODED_MAX_BYTES:
            detail = f"the frame states {size} bytes, at most {DECODED_MAX_BYTES} are decoded"
            return Refusal(413, "decoded-too-large", detail)
        # The stated size bounds the output: a frame that holds more is an error.
        decompressor = zstandard.ZstdDecompressor()
        return decompressor.decompress(body, allow_extra_data=False)
    except zstandard.ZstdError as fault:
        return Refusal(400, "not-zstd", str(fault))


def _read(text: bytes) -> Document | Refusal:
    try:
        _ANY.decode(text)  # the whole text first: what is no JSON breaks no rule of a document
        return _DOCUMENT.decode(text)
    except msgspec.ValidationError as fault:
        return Refusal(422, "document", str(fault))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as fault:
        return Refusal(400, "not-json", str(fault))


def _read_columns(document: Document) -> Columns | str:
    columns: Columns = {}
    for name, raw in document.columns.items():
        column = _column(document, name, raw)
        if isinstance(column, str):
            return column
        columns[name] = column
    return columns


def _column(document: Document, name: str, raw: msgspec.Raw) -> Column | str:
    """Return the values of one column, or the sentence that says what is wrong with it."""
    coded = name in document.scale or name in document.labels or name == "time_s"
    decoder = _WHOLES if coded else _CELLS
    try:
        column: Column = list(decoder.decode(raw))
    except (msgspec.DecodeError, UnicodeDecodeError) as fault:
        return f"column {name}: {fault}"
    if len(column) != document.items:
        return f"column {name} has {len(column)} values, items says {document.items}"
    withheld = name in WITHHELD and not any(value is not None for value in column)
    if name in REQUIRED[document.class_] and None in column and not withheld:
        return f"column {name} has no value at record {column.index(None)}"
    if name in document.labels:
        last = len(document.labels[name]) - 1
        for record, value in enumerate(column):
            if isinstance(value, int) and not 0 <= value <= last:
                return f"column {name}: record {record} is label {value}, the last label is {last}"
    if name == "picture":
        return _pictures(column)
    return column


def _pictures(column: Column) -> Column | str:
    for record, value in enumerate(column):
        if value is None:
            continue
        try:
            picture = base64.b64decode(str(value), validate=True)
        except binascii.Error as fault:
            return f"column picture: record {record} is no base64: {fault}"
        if not picture.startswith(PNG_MAGIC):
            return f"column picture: record {record} is no PNG"
    return column


def _misfit(document: Document, columns: Columns) -> str:
    """Return what does not fit between the parts of a document; empty when all fits."""
    required = REQUIRED[document.class_]
    allowed = required | OPTIONAL.get(document.class_, frozenset())
    if missing := sorted(required - columns.keys()):
        return f"class {document.class_} needs column {', '.join(missing)}"
    strange = sorted(n for n in columns if n not in allowed and FIELD.fullmatch(n) is None)
    if strange:
        return f"class {document.class_} has no column {', '.join(strange)}"
    for part, names in (("scale", document.scale.keys()), ("labels", document.labels.keys())):
        if lost := sorted(names - columns.keys()):
            return f"{part} names {', '.join(lost)}, which is no column"
    if twice := sorted(document.scale.keys() & document.labels.keys()):
        return f"{', '.join(twice)} stands in scale and in labels"
    for name, labels in document.labels.items():
        if len(set(labels)) != len(labels):
            return f"labels of {name} hold a label twice"
    return ""
