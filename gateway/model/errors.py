"""Errors by who must act. A bug is none of these and stays a bug.

A message names the thing, what was expected, what came, and the next action.
"""


class DeviceFaultError(Exception):
    """A device sent what it must not; its firmware developer acts."""


class CloudFaultError(Exception):
    """The far end failed or answered nonsense; it is tried again later."""


class OperatorFaultError(Exception):
    """Configuration, files or rights are wrong here; the platform engineer acts."""


class RefusedError(Exception):
    """A decision says no to a well-formed wish (exit code 3)."""
