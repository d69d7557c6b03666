"""Debian's Chromium, started once a session and driven by playwright.

It is needed, not optional: where it is missing the tests fail and say what to install.
The browser lives on the session's event loop, so tests that use it are marked
``asyncio(loop_scope="session")``. Under the page's policy nothing may call eval: wait with
``expect(locator)``, never with ``wait_for_function``.
"""

import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Browser, BrowserContext, async_playwright, expect

EXECUTABLE = Path("/usr/bin/chromium")
FLAGS = [
    "--no-sandbox",  # it runs as root in CI; it opens nothing but our own page
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
]
PHONE: dict[str, Any] = {
    "viewport": {"width": 390, "height": 844},
    "device_scale_factor": 2,
    "has_touch": True,
}
DESKTOP: dict[str, Any] = {"viewport": {"width": 1440, "height": 900}}
ARTEFACTS = Path(__file__).parents[2] / ".artefacts"

expect.set_options(timeout=15_000)  # ms; two busy cores are slow, and a state is waited for

OpenWindow = Callable[..., Awaitable[BrowserContext]]


def executable(wanted: Path = EXECUTABLE) -> Path:
    """The browser's path; fails where there is none."""
    if not os.access(wanted, os.X_OK):
        pytest.fail(f"{wanted} is missing: install it with 'apt-get install chromium'")
    return wanted


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def chromium() -> AsyncIterator[Browser]:
    """The browser. Its first start takes up to 30 s on a fresh machine."""
    path = executable()
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=path, args=FLAGS)
        yield browser
        await browser.close()


@pytest_asyncio.fixture(loop_scope="session")
async def window(chromium: Browser) -> AsyncIterator[OpenWindow]:
    """Open windows with ``await window(**PHONE)``; they close before the server stops."""
    async with AsyncExitStack() as stack:

        async def opened(**options: Any) -> BrowserContext:
            context = await chromium.new_context(
                **({"timezone_id": "Europe/Berlin", "locale": "en-GB"} | (options or PHONE))
            )
            stack.push_async_callback(context.close)
            return context

        yield opened
