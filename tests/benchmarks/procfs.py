"""What the kernel counted: CPU and bytes of a process, and what machine this is."""

import os
import platform
import shutil
import subprocess
import tempfile
import time
from importlib.metadata import version
from pathlib import Path

from tests.benchmarks.report import middle

SYNCS = 40
PATH = f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/sbin"


def cpu_us(pid: int) -> float:
    """CPU that all threads of ``pid`` have used, user and system; in steps of a clock tick."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) * 1e6 / os.sysconf("SC_CLK_TCK")


def written_bytes(pid: int) -> int:
    """Bytes that ``pid`` has made the file system write; its journal is not among them."""
    rows = Path(f"/proc/{pid}/io").read_text().splitlines()
    return next(int(row.split()[1]) for row in rows if row.startswith("write_bytes"))


def machine() -> dict[str, str]:
    """What the numbers were measured on."""
    return {
        "cpu": f"{os.cpu_count()} x {_after('/proc/cpuinfo', 'model name')}",
        "load": " ".join(f"{load:.1f}" for load in os.getloadavg()) + " before the run",
        "kernel": platform.release(),
        "system": _after("/etc/os-release", "PRETTY_NAME").strip('"'),
        "python": platform.python_version(),
        "mosquitto": _mosquitto(),
        "aiomqtt": version("aiomqtt"),
        "disk": f"{_file_system()}, fdatasync {sync_ms():.2f} ms",
    }


def sync_ms() -> float:
    """Median time of one fdatasync of 4 KB, where temporary files lie."""
    took: list[float] = []
    with tempfile.TemporaryFile() as file:
        for _ in range(SYNCS):
            file.write(b"x" * 4096)
            file.flush()
            began = time.perf_counter()
            os.fdatasync(file.fileno())
            took.append((time.perf_counter() - began) * 1e3)
    return middle(took)


def _after(path: str, name: str) -> str:
    rows = Path(path).read_text().splitlines()
    found = (row for row in rows if row.startswith(name))
    return next(found, "=unknown").replace(":", "=", 1).partition("=")[2].strip()


def _mosquitto() -> str:
    program = shutil.which("mosquitto", path=PATH)
    if program is None:
        return "not installed"
    said = subprocess.run([program, "-h"], capture_output=True, text=True, check=False).stdout
    return said.split("\n", 1)[0].removeprefix("mosquitto version ")


def _file_system() -> str:
    said = ["stat", "-f", "-c", "%T", tempfile.gettempdir()]
    return subprocess.run(said, capture_output=True, text=True, check=True).stdout.strip()
