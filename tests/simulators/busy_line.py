"""A line with everything on its page, for the tests that look at the page as a person does."""

from gateway.model.outcome import Outcome
from gateway.web.status import (
    GapsStatus,
    GapStatus,
    HorizonStatus,
    QueueStatus,
    RoomStatus,
    SpoolStatus,
    TrafficStatus,
    UplinkStatus,
    WearStatus,
)
from tests.simulators.site import (
    NOTHING,
    SiteProgram,
    alert,
    calm,
    crop,
    device,
    problem,
    wall_ms,
)


def busy() -> SiteProgram:
    """A line with everything on it: problems, an offline device, pictures, a queue."""
    now = wall_ms()
    devices = [device(f"cam-{n:02}", last_seen_ms=now - 700 * n) for n in range(1, 5)]
    devices[2] = device("cam-03", state="offline", last_seen_ms=now - 252_000)
    devices.append(device("oven-1", profile="low-power", state="never-seen", last_seen_ms=None))
    severities = ("critical", "major", "warning", "minor")
    site = SiteProgram(
        calm(
            devices=devices,
            privacy=["virtual-line"],
            uplink=UplinkStatus(
                state="offline", since_ms=now - 3_900_000, parked=0, last_error="connect timed out"
            ),
            spool=SpoolStatus(
                alert=QueueStatus(rows=3, bytes=18_400, oldest_s=41),
                error_log=NOTHING,
                result=QueueStatus(rows=1_204, bytes=2_100_000, oldest_s=190),
                metric=NOTHING,
                log=QueueStatus(rows=12, bytes=3_000, oldest_s=600),
            ),
            room=RoomStatus(
                level="tight",
                bound="budget",
                capacity_bytes=3_750_000_000,
                data_room_bytes=412_000_000,
                alert_room_bytes=950_000_000,
                alerts_held=False,
            ),
            horizon=HorizonStatus("measured", 24.0, 31.2, 216.5, []),
            wear=WearStatus(today_bytes=412_000_000, mean_bytes=1_240_000_000, days=6),
            gaps=GapsStatus(
                7,
                [
                    GapStatus("cam-03", 81_200, 0, 14, 3, 7_800),
                    GapStatus("cam-01", 90_400, 0, 2, 0, 0),
                ],
            ),
            traffic=[TrafficStatus("cam-02", 9_400, 4_000_000, 94)],
            alerts=[
                alert(
                    n,
                    label=("scratch", "blob")[n % 2],
                    device=f"cam-{n % 4 + 1:02}",
                    severity=severities[n % 4],
                    score=0.99 - n / 60,
                    picture=f"/alerts/{n}/0.png",
                    outcome=Outcome.QUEUED if n < 4 else Outcome.DELIVERED,
                )
                for n in range(1, 7)
            ],
            problems=[
                problem(
                    "uplink-offline",
                    "uplink",
                    title="The connection to the cloud is down",
                    since_ms=now - 3_900_000,
                    cause="The cloud has not answered for over a minute. The line goes on.",
                    action="Check the network cable and the router to the outside.",
                    detail="connect timed out",
                )
            ],
        )
    )
    for n in range(1, 7):
        site.pictures[n, 0] = ("image/png", crop(n))
    return site
