"""What an answer of the cloud means for the batch: promise P4, in one table.

A batch is delivered only when a 2xx echoes exactly its digest. A definite refusal of
*this* batch halves or parks it; a refusal of *us* is a configuration problem, and the batch waits;
everything else may pass, so the same bytes are sent again. When in doubt, send again: the
cloud counts a digest once.
"""

from dataclasses import dataclass
from http import HTTPStatus
from typing import Final

import msgspec

from gateway.model.time import UnixMs

ANSWER_MAX_BYTES: Final = 64 << 10
DETAIL_MAX_CHARS: Final = 200

PARKS: Final = {
    400: "the batch was found damaged or not decodable",
    413: "the batch is too large for the cloud",
    415: "the cloud does not take this format",
    422: "the content breaks a rule of the cloud",
}
WHOLE: Final = 415
"""Says nothing of the content, so no part of the batch would be taken either."""
MISCONFIGURES: Final = {
    401: "the cloud does not accept this gateway's certificate",
    403: "the cloud does not permit this gateway to upload for this site",
    404: "there is no upload service at this address: check [uplink] url",
    407: "a proxy stands in between and demands a login",
}

NGINX_CERTIFICATE: Final = b"SSL certificate"
"""nginx takes the handshake and then answers 400 with these words in its page, when a client
certificate is missing, expired or unknown. Read as a refusal of the batch, one expired
certificate would park everything that waits."""


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP answer. ``body`` holds at most one byte more than ``ANSWER_MAX_BYTES``."""

    status: int
    content_type: str
    body: bytes
    retry_after_s: float | None = None
    date: UnixMs | None = None
    """The cloud's clock; it proved its name on this connection."""


@dataclass(frozen=True, slots=True)
class Unreached:
    """No answer came. The cloud may or may not have stored the batch."""

    reason: str


@dataclass(frozen=True, slots=True)
class Unaccepted:
    """No connection as the configuration wants it: files, names or certificates are wrong."""

    reason: str


@dataclass(frozen=True, slots=True)
class Delivered:
    """The cloud has this batch on its disk."""


@dataclass(frozen=True, slots=True)
class Park:
    """The cloud will never take this batch. ``divisible``: parts of it may be taken."""

    reason: str
    divisible: bool = True


@dataclass(frozen=True, slots=True)
class Misconfigured:
    """Nothing will be taken until a person changes something. Nothing is lost meanwhile."""

    reason: str


@dataclass(frozen=True, slots=True)
class BackOff:
    """Send the same bytes again, later. ``answered``: something spoke HTTP with us."""

    reason: str
    answered: bool
    retry_after_s: float | None = None


Verdict = Delivered | Park | Misconfigured | BackOff


class _Echo(msgspec.Struct):
    """The part of the cloud's answer that counts. Later versions may say more."""

    batch: str


class _Refusal(msgspec.Struct):
    error: str
    detail: str = ""


def judge(outcome: Answer | Unreached | Unaccepted, sha256: str) -> Verdict:
    """Return what ``outcome`` means for the batch named ``sha256``. Total."""
    match outcome:
        case Unreached(reason):
            return BackOff(reason, answered=False)
        case Unaccepted(reason):
            return Misconfigured(reason)
        case Answer():
            return _meaning(outcome, sha256)


def _meaning(answer: Answer, sha256: str) -> Verdict:
    status = answer.status
    if status == HTTPStatus.BAD_REQUEST and NGINX_CERTIFICATE in answer.body:
        return Misconfigured(f"{status}: {MISCONFIGURES[401]}")
    if status in PARKS:
        reason = f"{status}: {PARKS[status]}{_detail(answer)}"
        return Park(reason, divisible=status != WHOLE)
    if status in MISCONFIGURES:
        return Misconfigured(f"{status}: {MISCONFIGURES[status]}{_detail(answer)}")
    if status // 100 == 2 and _echoes(answer, sha256):  # noqa: PLR2004  # as HTTP numbers its classes
        return Delivered()
    return BackOff(_transient(status), answered=True, retry_after_s=answer.retry_after_s)


def _transient(status: int) -> str:
    match status // 100:
        case 2:
            return (
                f"{status} without the digest of the batch: not our cloud answers, "
                "perhaps the sign-in page of a network"
            )
        case 3:
            return f"{status}: redirects are not followed; perhaps a network's sign-in page"
        case 4 | 5:
            return f"{status}: the cloud has a fault or too much to do ({_phrase(status)})"
        case _:
            return f"{status}: not an answer of the upload protocol"


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "unknown status"


def _echoes(answer: Answer, sha256: str) -> bool:
    """Tell whether this is the one answer that ends a batch: JSON with exactly its digest."""
    kind = answer.content_type.partition(";")[0].strip().lower()
    if kind != "application/json" or len(answer.body) > ANSWER_MAX_BYTES:
        return False
    try:
        return msgspec.json.decode(answer.body, type=_Echo).batch == sha256
    except (ValueError, RecursionError):  # the latter for a thousand opening brackets
        return False


def _detail(answer: Answer) -> str:
    """Return the cloud's own sentence, cut and cleaned: it goes to logs and the page."""
    if len(answer.body) > ANSWER_MAX_BYTES:
        return ""
    try:
        refusal = msgspec.json.decode(answer.body, type=_Refusal)
    except (ValueError, RecursionError):
        return ""
    text = f"{refusal.error}: {refusal.detail}" if refusal.detail else refusal.error
    clean = "".join(c if c.isprintable() else " " for c in text[:DETAIL_MAX_CHARS])
    return f" ({clean})"
