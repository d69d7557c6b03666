"""Exit codes of every command; scripts rely on them."""

from typing import Final

DONE: Final = 0
FAILED: Final = 1
UNUSABLE: Final = 2  # unusable input or usage
REFUSED: Final = 3  # refused by a decision
UNREACHABLE: Final = 4  # the gateway does not answer
