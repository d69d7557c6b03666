import pytest

from gateway.identity.limits import DAY_MS
from gateway.identity.names import server_names
from gateway.identity.validity import Renewal, ServerCertificate, needs_renewal
from gateway.model.time import UnixMs

BORN = 1_800_000_000_000
NAMES = server_names("plant-a", ["10.0.0.1"])
MOVED = server_names("plant-a", ["10.0.0.2"])


def certificate(*, belongs: bool = True) -> ServerCertificate:
    return ServerCertificate(UnixMs(BORN), UnixMs(BORN + 730 * DAY_MS), NAMES, belongs)


@pytest.mark.parametrize(
    ("days", "wanted", "why"),
    [
        (0, NAMES, None),
        (1, NAMES, None),
        (486, NAMES, None),  # 244 of 730 days left
        (487, NAMES, Renewal.EXPIRES),  # 243: less than a third
        (730, NAMES, Renewal.EXPIRES),
        (9_000, NAMES, Renewal.EXPIRES),
        (1, MOVED, Renewal.NAMES),
        (700, MOVED, Renewal.EXPIRES),
        (-1, NAMES, None),  # the clock is wrong: what it would issue, nobody accepts
        (-1, MOVED, None),
        (-20_000, NAMES, None),
    ],
)
def test_when_a_server_certificate_is_renewed(days, wanted, why):
    assert needs_renewal(certificate(), wanted, UnixMs(BORN + days * DAY_MS)) is why


@pytest.mark.parametrize("days", [-1, 1, 700])
def test_a_certificate_without_its_key_is_replaced_at_any_time(days):
    now = UnixMs(BORN + days * DAY_MS)
    assert needs_renewal(certificate(belongs=False), NAMES, now) is Renewal.FOREIGN
    assert needs_renewal(None, NAMES, now) is Renewal.MISSING
