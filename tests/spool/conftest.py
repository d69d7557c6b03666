"""What the tests of the spool share."""

from tests.intake.conftest import desk

__all__ = ["desk"]
