"""Hardware in the loop: a reference line device, a stand-in for the cloud, their models.

onnxruntime reports machine details to its vendor unless this variable stands before
its first import (measured with 1.32.0: two DNS queries and a database in ~/.cache).
A package's ``__init__`` runs before everything else in it, so it is set here, for
this process and for every child that inherits the environment.
"""

import os

os.environ["ORT_DISABLE_TELEMETRY"] = "1"
