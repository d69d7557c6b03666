"""Files and folders that must be whole and private (adapter: the file system).

A write is a temporary file beside the target, fsync, rename, fsync of the folder: after
a power cut there is the old file or the new one, never half of either.
"""

import os
import stat
import tempfile
from pathlib import Path

from gateway.model.errors import OperatorFaultError

PRIVATE_FILE = 0o600
PUBLIC_FILE = 0o644
PRIVATE_FOLDER = 0o700


class FileAccessError(OperatorFaultError):
    """A file or folder is not as private as it must be; the message names the command."""


def write_whole(path: Path, content: bytes, mode: int) -> None:
    """Replace ``path`` by ``content``; on return it is on the disk.

    Crash: the old content or the new, whole. A name ``.<name>.*`` may be left behind.

    Raises:
        OSError: the disk or the folder refused; ``path`` is as it was.
    """
    # mkstemp creates with 0600, so a private file is at no moment readable by others.
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    temporary = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fchmod(file.fileno(), mode)
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Bring the names in ``folder`` to the disk."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def private_folder(path: Path) -> bool:
    """Make ``path`` a folder of mode 0700 and return whether it is new.

    Raises:
        FileAccessError: it exists, and is no folder, belongs to somebody else or lets others in.
        OSError: it cannot be made.
    """
    try:
        path.mkdir(mode=PRIVATE_FOLDER)
    except FileExistsError:
        found = path.lstat()
        if not stat.S_ISDIR(found.st_mode):
            msg = f"{path} is no folder: move it away, or choose another place"
            raise FileAccessError(msg) from None
        # In /tmp somebody else may have made the folder first, to read what we put there.
        if found.st_uid != os.geteuid():
            msg = (
                f"{path} belongs to user {found.st_uid}, not to {os.geteuid()}: "
                "run this as that user, chown it, or choose another place"
            )
            raise FileAccessError(msg) from None
        if found.st_mode & 0o077:
            msg = f"{path} lets other users in (mode {found.st_mode & 0o777:04o}): chmod 700 {path}"
            raise FileAccessError(msg) from None
        return False
    return True


def read_private(path: Path, bytes_max: int) -> bytes:
    """Return the content of a file that only its owner can read.

    Raises:
        FileAccessError: others may read it, it is no plain file, or it is too large.
        OSError: it is absent or cannot be read.
    """
    with path.open("rb") as file:
        found = os.fstat(file.fileno())  # of the open file: the name could be exchanged meanwhile
        if not stat.S_ISREG(found.st_mode):
            msg = f"{path} is no plain file"
            raise FileAccessError(msg)
        if found.st_mode & 0o077:
            msg = (
                f"{path} can be read by other users (mode {found.st_mode & 0o777:04o}): "
                f"chmod 600 {path}, and replace the key if somebody may have read it"
            )
            raise FileAccessError(msg)
        content = file.read(bytes_max + 1)
    if len(content) > bytes_max:
        msg = f"{path} has more than {bytes_max} bytes: this is no key file"
        raise FileAccessError(msg)
    return content
