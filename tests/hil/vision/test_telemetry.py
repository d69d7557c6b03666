"""onnxruntime tells nobody about this machine.

With the reporter on, version 1.32.0 writes two files below ~/.cache at once, starts a thread
of its own, and that thread goes to the network tens of seconds later. So a short test that
looks for connections alone would pass in any case. What is shown here is what makes one
impossible: the variable stands before the runtime can be imported; a process that ran the
model has left no file in an empty home and never had a second thread; and it holds no socket.
Nothing here touches the network: everything runs with the reporter switched off.
"""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
MODEL = ROOT / "hil" / "models" / "surface-defects" / "model.onnx"

INSPECT = f"""
import json, os
from pathlib import Path
from hil.linedevice.camera import Camera
from hil.linedevice.vision import Inspector
found = Inspector(Path({str(MODEL)!r}).read_bytes()).inspect(Camera(seed=1).capture().pixels)
opened = [os.readlink(entry) for entry in Path("/proc/self/fd").iterdir() if entry.exists()]
threads = len(os.listdir("/proc/self/task"))
print(json.dumps({{"label": found.label, "opened": opened, "threads": threads}}))
"""


def run(code: str, home: Path, *before: str) -> str:
    """Run ``code`` in a child without a variable that switches the reporter off."""
    child = subprocess.run(
        [*before, sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
        # numpy's linear algebra starts threads too; none is needed here.
        env={"HOME": str(home), "PATH": os.environ["PATH"], "OPENBLAS_NUM_THREADS": "1"},
    )
    assert child.returncode == 0, child.stderr
    return child.stdout


@pytest.mark.parametrize("package", ["hil", "gateway"])
def test_importing_a_package_switches_the_telemetry_off_before_the_runtime_comes(package, tmp_path):
    code = f"""
import json, os, sys
before = os.environ.get("ORT_DISABLE_TELEMETRY")
import {package}
print(json.dumps([before, os.environ["ORT_DISABLE_TELEMETRY"], "onnxruntime" in sys.modules]))
"""
    assert json.loads(run(code, tmp_path)) == [None, "1", False]


def test_nothing_runs_where_the_telemetry_is_not_switched_off(tmp_path):
    code = f"""
import os
from pathlib import Path
from hil.linedevice.vision import Inspector, TelemetryError
for value in ("0", "true", "", None):
    os.environ.pop("ORT_DISABLE_TELEMETRY", None)
    if value is not None:
        os.environ["ORT_DISABLE_TELEMETRY"] = value
    try:
        Inspector(Path({str(MODEL)!r}).read_bytes())
    except TelemetryError as error:
        print(error)
"""
    refusal = 'ORT_DISABLE_TELEMETRY is not "1": start the process with it\n'
    assert run(code, tmp_path) == refusal * 4


def test_a_process_that_ran_the_model_left_no_file_holds_no_socket_and_has_one_thread(tmp_path):
    seen = json.loads(run(INSPECT, tmp_path))
    assert seen["label"] == "ok"
    assert list(tmp_path.rglob("*")) == []
    assert [name for name in seen["opened"] if name.startswith("socket:")] == []
    assert seen["threads"] == 1


@pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")
def test_no_thread_is_started_and_no_socket_opened_even_for_a_moment(tmp_path):
    log, home = tmp_path / "strace.log", tmp_path / "home"
    home.mkdir()
    wanted = "trace=execve,%network,clone,?clone3"
    run(INSPECT, home, "strace", "-f", "-qq", "-o", str(log), "-e", wanted)
    calls = [line.split(maxsplit=1)[1] for line in log.read_text().splitlines()]
    assert [call.partition("(")[0] for call in calls] == ["execve"]
