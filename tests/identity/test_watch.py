import asyncio
import dataclasses

import pytest

from gateway.identity import service
from gateway.identity.limits import DAY_MS, WATCH_INTERVAL_S
from gateway.identity.problems import PROBLEMS
from gateway.identity.watch import Facts, standing
from gateway.model.problem import Raised
from gateway.model.time import Instant, SiteTime, UnixMs

NOW = UnixMs(1_800_000_000_000)  # 2027-01-15


def at(days: int) -> UnixMs:
    return UnixMs(NOW + days * DAY_MS)


GOOD = Facts(at(7_000), at(700), [("cam-01", at(700))], None)


def lines(facts: Facts) -> list[str]:
    return [f"{r.problem.code}: {r.subject}: {r.detail}" for r in standing(facts, NOW)]


def test_a_site_with_time_left_has_no_problem():
    assert lines(GOOD) == []


@pytest.mark.parametrize(
    ("change", "line"),
    [
        (
            {"server_not_after": at(89)},
            "certificate-expires-soon: server certificate: expires on 2027-04-14",
        ),
        (
            {"server_not_after": at(-1)},
            "certificate-expires-soon: server certificate: expired on 2027-01-14",
        ),
        (
            {"site_ca_not_after": at(729)},
            "certificate-expires-soon: site CA: expires on 2029-01-13",
        ),
        (
            {"devices": [("b", at(59)), ("c", at(61)), ("a", at(-2))]},
            "certificate-expires-soon: devices: 2 of them; first a, expired on 2027-01-13",
        ),
        (
            {"recovery_key_file": "/etc/x/recovery-key.private.pem"},
            "recovery-key-on-site: recovery key: /etc/x/recovery-key.private.pem",
        ),
    ],
)
def test_what_ends_soon_is_one_line_with_its_date(change, line):
    assert lines(dataclasses.replace(GOOD, **change)) == [line]


def test_codes_are_spelled_for_ever():
    assert {p.code for p in PROBLEMS} == {
        *("certificate-expires-soon", "clock-doubtful", "queue-key-in-a-file"),
        *("recovery-key-on-site", "restore-unconfirmed"),
    }


class Hours:
    """A clock that stands still, and lets ``hours`` waits pass before it stops the program."""

    def __init__(self, hours: int) -> None:
        self.hours = hours
        self.waits: list[float] = []

    def now(self) -> Instant:
        return Instant(0)

    def site(self) -> SiteTime:
        return SiteTime(NOW)

    def wall(self) -> UnixMs:
        return UnixMs(0)  # a wall clock that lost its battery

    async def sleep(self, seconds: float) -> None:
        self.waits.append(seconds)
        if len(self.waits) == self.hours:
            raise asyncio.CancelledError


async def test_a_problem_is_reported_while_it_stands_and_cleared_once():
    answers = [GOOD, dataclasses.replace(GOOD, recovery_key_file="/x"), GOOD, GOOD]
    seen: list[Raised | tuple[str, str]] = []
    rest = iter(answers)

    async def facts() -> Facts:
        return next(rest)

    clock = Hours(4)
    with pytest.raises(asyncio.CancelledError):
        await service.run(
            clock=clock,
            facts=facts,
            report=seen.append,
            clear=lambda code, subject: seen.append((code, subject)),
        )
    first, second = seen
    assert isinstance(first, Raised)
    assert first.detail == "/x"
    assert second == ("recovery-key-on-site", "recovery key")
    assert clock.waits == [WATCH_INTERVAL_S] * 4


async def test_a_wall_clock_in_1970_does_not_silence_an_expired_certificate():
    seen: list[Raised] = []

    async def facts() -> Facts:
        return dataclasses.replace(GOOD, server_not_after=at(-1))

    with pytest.raises(asyncio.CancelledError):
        await service.run(clock=Hours(1), facts=facts, report=seen.append, clear=lambda *_: None)
    assert [raised.subject for raised in seen] == ["server certificate"]
