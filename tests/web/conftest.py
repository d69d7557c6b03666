"""The browser, for the tests that need a real one."""

from tests.support.chromium import chromium, window

__all__ = ["chromium", "window"]
