"""A value that must not be shown. Pure."""

from typing import Final


class Secret:
    """Bytes of a private key. Neither ``repr`` nor ``str`` nor a format shows them.

    Compared by identity: comparing secrets by value invites a timing leak.
    """

    __slots__ = ("_value",)

    def __init__(self, value: bytes) -> None:
        self._value: Final = value

    def reveal(self) -> bytes:
        """Return the bytes. Privacy: the caller writes them to a 0600 file or a cipher only."""
        return self._value

    def __repr__(self) -> str:
        return f"Secret({len(self._value)} bytes)"

    def __format__(self, spec: str) -> str:
        return repr(self)

    def __reduce__(self) -> str:
        msg = "a Secret is not pickled: it would leave the process unprotected"
        raise TypeError(msg)
