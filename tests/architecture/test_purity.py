"""Decisions stay pure. The first test holds it for the tree; the others hold the guard."""

import pytest

from tests.architecture.purity import ADAPTERS, SHELL, STORES, Kind, findings, kind_of
from tests.architecture.tree import ROOT, gateway_modules


def test_every_file_imports_and_calls_only_what_its_name_allows() -> None:
    found = [line for name, text in gateway_modules() for line in findings(name, text)]
    assert found == [], "\n".join(found)


def test_a_listed_file_has_a_reason_and_a_file() -> None:
    listed = ADAPTERS | STORES | SHELL
    gone = [name for name in listed if not (ROOT / "gateway" / name).exists()]
    assert gone == [], "take what is gone off the list"
    assert all(listed.values())


@pytest.mark.parametrize(
    ("name", "source", "breach"),
    [
        ("uplink/pacing.py", "import time", "imports time"),
        ("uplink/pacing.py", "from time import monotonic", "imports time.monotonic"),
        ("uplink/pacing.py", "import a_library_of_tomorrow", "imports a_library_of_tomorrow"),
        ("uplink/pacing.py", "import urllib.request", "imports urllib.request"),
        ("uplink/pacing.py", "import sqlite3", "imports sqlite3"),
        ("uplink/service.py", "import sqlite3", "imports sqlite3"),
        ("uplink/store.py", "import asyncio", "imports asyncio"),
        ("intake/contract.py", "from gateway.intake import store", "the store gateway.intake"),
        ("intake/contract.py", "from gateway.intake.service import run", "the service"),
        ("intake/contract.py", "def f():\n    import os", ":2: a pure file imports os"),
        ("intake/service.py", "from gateway.broker.mqtt import Link", "the adapter"),
        ("intake/service.py", "from gateway.app import clock", "the shell"),
        ("spool/trace.py", "import asyncio", "a store file imports asyncio"),
        ("uplink/pacing.py", "x = open('/etc/passwd')", "calls open()"),
        ("uplink/pacing.py", "from datetime import datetime\ndatetime.now()", "reads the clock"),
        ("uplink/pacing.py", "import numpy as np\nnp.random.normal()", "draws entropy"),
        ("uplink/pacing.py", "async def f(x):\n    await x", "awaits"),
    ],
)
def test_a_breach_is_named_with_its_line(name: str, source: str, breach: str) -> None:
    found = findings(name, source)
    assert len(found) == 1, found
    assert breach in found[0]


@pytest.mark.parametrize(
    ("name", "source"),
    [
        ("uplink/pacing.py", "import math\nfrom urllib.parse import quote\nimport msgspec"),
        ("uplink/pacing.py", "from gateway.model.time import Instant"),
        ("uplink/service.py", "import asyncio\nimport logging\nfrom contextlib import aclosing"),
        ("uplink/store.py", "import sqlite3\nimport aiosqlite"),
        ("spool/trace.py", "import aiosqlite\nfrom gateway.spool.store import SealedBatch"),
        ("model/time.py", "class Clock(Protocol):\n    async def sleep(self) -> None: ..."),
        ("broker/mosquitto.py", "import os, time"),
        ("app/run.py", "import os, time"),
    ],
)
def test_what_a_name_allows_is_allowed(name: str, source: str) -> None:
    assert findings(name, source) == []


def test_the_model_holds_no_effect() -> None:
    assert {kind_of(name) for name, _ in gateway_modules() if name.startswith("model/")} == {
        Kind.PURE
    }
