"""Becomes a program that dies with its parent: ``tether.py PARENT PROGRAM ARGUMENTS...``.

The kernel kills it (SIGKILL) when the thread that started it ends, however that ends. It
runs as its own small process because the order is per process and must be given between
fork and exec, where a parent with threads may run nothing.
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1  # linux/prctl.h


def main() -> None:
    """Set the tether, then become the program."""
    parent = int(sys.argv[1])
    if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL) != 0:
        sys.exit(f"tether: prctl failed: {os.strerror(ctypes.get_errno())}")
    if os.getppid() != parent:  # it died before the order was given
        sys.exit(1)
    os.execvp(sys.argv[2], sys.argv[2:])  # noqa: S606  # no shell, the caller's own list


if __name__ == "__main__":
    main()
