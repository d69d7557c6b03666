"""Where a site's files lie, and the schemas of its two databases."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from gateway.config import Config
from gateway.health import store as health_store
from gateway.identity import store as identity_store
from gateway.intake import schema as intake_schema
from gateway.model.errors import OperatorFaultError
from gateway.spool import schema as spool_schema
from gateway.store import site_time
from gateway.store.migrations import Migration

STATE_MIGRATIONS: Final = (
    Migration(1, 1, (*identity_store.MIGRATIONS, *site_time.SCHEMA)),
    Migration(
        2,
        1,
        (
            *identity_store.KEYRING,
            *health_store.AUDIT,
            *intake_schema.NOISY,
            *identity_store.FLOORS,
            *health_store.WEAR,
            *health_store.SPOOLS,
        ),
    ),
)
"""``state.db``: inventory, trust, budgets. Nothing here may ever be set aside."""

SPOOL_MIGRATIONS: Final = (
    Migration(1, 1, (*intake_schema.FIRST, *spool_schema.FIRST)),
    # Bodies are encrypted from here on, which a program of the first schema cannot read.
    Migration(2, 2, (*intake_schema.SECOND, *spool_schema.SECOND)),
)
"""``spool.db``: messages and marks. Set aside when corrupt, without losing trust or budget."""


@dataclass(frozen=True, slots=True)
class Places:
    """The files of one site."""

    state: Path
    runtime: Path

    @classmethod
    def of(cls, config: Config) -> "Places":
        """Return the places that ``config`` names."""
        return cls(Path(config.site.state_dir), Path(config.site.runtime_dir))

    @property
    def lock(self) -> Path:
        """The state lock."""
        return self.state / "lock"

    @property
    def state_db(self) -> Path:
        """Trust and budgets."""
        return self.state / "state.db"

    @property
    def spool_db(self) -> Path:
        """The queue."""
        return self.state / "spool.db"

    @property
    def broker(self) -> Path:
        """The broker's generated files."""
        return self.state / "broker"

    def require_state(self) -> None:
        """Require that ``state.db`` is there wherever a queue is: it is made before it.

        Raises:
            OperatorFaultError: it is gone; an empty one would trust nobody and say nothing.
        """
        if self.spool_db.exists() and not self.state_db.exists():
            msg = (
                f"{self.state_db} is gone: it says which devices to trust, so nothing is served "
                "and no device is added without it: restore the last backup "
                "(site-gateway backup restore)"
            )
            raise OperatorFaultError(msg)
