"""Which bytes are served as a picture.

They come from a device, so nothing is believed: what the stored type says and what the
bytes begin with must agree, and nothing else than these two types is ever served.
"""

from typing import Final

from gateway.web.limits import PICTURE_MAX_BYTES

SIGNATURES: Final = {
    "image/png": b"\x89PNG\r\n\x1a\n",  # PNG specification, 5.2
    "image/jpeg": b"\xff\xd8\xff",  # start of image and of the first marker
}


def may_serve(content_type: str, content: bytes) -> bool:
    """Return whether ``content`` may go to a browser as ``content_type``."""
    signature = SIGNATURES.get(content_type)
    return (
        signature is not None
        and content.startswith(signature)
        and len(content) <= PICTURE_MAX_BYTES
    )
