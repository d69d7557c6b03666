"""The state lock: one process owns a site's state folder."""

import fcntl
import os
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from gateway.model.errors import OperatorFaultError, RefusedError


class StateLockedError(RefusedError):
    """Another process holds the lock."""

    def __init__(self, path: Path, holder: str) -> None:
        who = f"process {holder}" if holder else "another process"
        super().__init__(
            f"{path} is held by {who}: a gateway runs on this state folder; "
            "stop it, or use the command while it serves its control socket"
        )
        self.path = path


@contextmanager
def hold(path: Path) -> Generator[None]:
    """Hold the lock file ``path`` until the block ends; the kernel frees it at any death.

    Raises:
        StateLockedError: another process holds it.
        OperatorFaultError: its folder is not there or closed to us, or its disk is full.
    """
    try:
        descriptor = _taken(path)
    except OSError as error:
        msg = (
            f"{path} cannot be written: {error.strerror}: check the folder's owner and rights "
            "and the free space of its disk"
        )
        raise OperatorFaultError(msg) from error
    try:
        yield
    finally:
        os.close(descriptor)


def _taken(path: Path) -> int:
    """Return the locked file's descriptor, with our process id in the file."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            holder = os.read(descriptor, 32).decode("ascii", "replace").strip()
            raise StateLockedError(path, holder) from error
        os.ftruncate(descriptor, 0)
        os.write(descriptor, f"{os.getpid()}\n".encode())
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor
