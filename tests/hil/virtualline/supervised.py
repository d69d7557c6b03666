"""``python -m tests.hil.virtualline.supervised READY_S STOP_S ...``: a line of stand-ins.

The supervisor and the cloud are the real ones.
"""

import sys

from hil.virtualline.__main__ import main
from hil.virtualline.runner import Limits
from hil.virtualline.site import Programs
from tests.hil.virtualline.programs import HERE

if __name__ == "__main__":
    ready_s, stop_s, *arguments = sys.argv[1:]
    limits = Limits(ready_s=float(ready_s), stop_s=float(stop_s), roll_logs_every_s=0.1)
    programs = Programs(
        gateway=[*HERE, "gateway"],
        cloud=[sys.executable, "-m", "hil.cloud"],
        device=[*HERE, "device"],
    )
    sys.exit(main(["run", *arguments], programs, limits))
