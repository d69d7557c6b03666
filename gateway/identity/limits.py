"""How long certificates live and how much the identity capability accepts. Pure."""

from typing import Final

SITE_CA_DAYS: Final = 7305  # 20 years: replacing the root means visiting every device
SERVER_DAYS: Final = 730
DEVICE_DAYS: Final = 730
SKEW_MS: Final = 3_600_000  # certificates begin an hour early: a device's clock may be slow
CLOCK_FLOOR_MS: Final = 1_767_225_600_000  # 2026-01-01: no site is older than this program
DAY_MS: Final = 86_400_000

SERVER_WARNING_DAYS: Final = 90  # far below the third at which a start renews it
DEVICE_WARNING_DAYS: Final = 60
SITE_CA_WARNING_DAYS: Final = 730  # a certificate issued now would be cut short by the CA's end

REQUEST_BYTES_MAX: Final = 8_192
ENVELOPE_BYTES_MAX: Final = 131_072
KEY_FILE_BYTES_MAX: Final = 65_536
ADDRESSES_MAX: Final = 32
WATCH_INTERVAL_S: Final = 3_600.0
