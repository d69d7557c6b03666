"""How strict a run is, and in which order it goes.

On a laptop a test whose tool is missing is skipped with its reason. In the continuous
integration (``CI`` is set) a missing tool ends the run at once: a skip would look green.
"""

import os
import shutil

import pytest
from hypothesis import HealthCheck, settings

# Cheap and pure first, so that a plain fault shows in seconds and not after the crash tests.
ORDER = ("", "broker", "browser", "network", "crash", "journey")
TOOLS = {
    "broker": ("mosquitto",),
    "browser": ("chromium",),
    "network": ("ip", "nft"),
    "journey": ("mosquitto",),
}
TOOLS_IN_CI = (
    "mosquitto",
    "mosquitto_pub",
    "chromium",
    "swtpm",
    "ip",
    "nft",
    "openssl",
    "strace",
    "mkfs.ext4",
    "promtool",
)
PATH = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"  # where Debian keeps mosquitto
ROUNDS = 20

# No deadlines: the machine is shared, and the time limit of a test catches a hang.
SHARED = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("dev", SHARED, max_examples=50)
settings.register_profile("ci", SHARED, max_examples=500, derandomize=True, print_blob=True)
settings.register_profile("night", SHARED, max_examples=10_000)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--rounds", type=int, default=ROUNDS, help=f"rounds of each kill -9 test ({ROUNDS})"
    )


def pytest_configure(config: pytest.Config) -> None:
    profile = os.environ.get("HYPOTHESIS_PROFILE") or ("ci" if os.environ.get("CI") else "dev")
    settings.load_profile(profile)
    missing = _missing(TOOLS_IN_CI)
    if os.environ.get("CI") and missing:
        pytest.exit(f"the set-up left out {', '.join(missing)}: make test installs it", 1)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    items.sort(key=_rank)
    scale = config.getoption("--rounds") / ROUNDS
    for item in items:
        for mark, tools in TOOLS.items():
            if item.get_closest_marker(mark) and (missing := _missing(tools)):
                item.add_marker(pytest.mark.skip(reason=f"needs {', '.join(missing)}"))
        limit = item.get_closest_marker("timeout")
        if scale > 1 and limit is not None and item.get_closest_marker("crash"):
            item.add_marker(pytest.mark.timeout(limit.args[0] * scale), append=False)


@pytest.fixture(scope="session")
def rounds(request: pytest.FixtureRequest) -> int:
    """How often a crash test kills: ``--rounds``, 200 in `make crash`."""
    return int(request.config.getoption("--rounds"))


def _missing(tools: tuple[str, ...]) -> list[str]:
    missing = [tool for tool in tools if shutil.which(tool, path=PATH) is None]
    return missing + (["root"] if "ip" in tools and os.geteuid() != 0 else [])


def _rank(item: pytest.Item) -> int:
    return max(ORDER.index(mark) for mark in ORDER if not mark or item.get_closest_marker(mark))
