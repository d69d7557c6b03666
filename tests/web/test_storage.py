"""What the page says about the disk, the horizon and about what devices missed."""

import pytest

from gateway.web import words
from gateway.web.http import load_page
from gateway.web.measures import about, span_exactly
from gateway.web.status import (
    GapsStatus,
    GapStatus,
    HorizonStatus,
    RoomStatus,
    TrafficStatus,
    WearStatus,
)
from gateway.web.storage import gap_lines, storage
from gateway.web.view import view
from tests.simulators.site import calm, device

GB = 1_000_000_000


def room(level="ok", **fields) -> RoomStatus:
    known = {
        "level": level,
        "bound": "budget",
        "capacity_bytes": 4 * GB,
        "data_room_bytes": 3 * GB,
        "alert_room_bytes": GB,
        "alerts_held": False,
    }
    return RoomStatus(**(known | fields))


def gap(name: str, **fields) -> GapStatus:
    known = {"received": 9, "lost": 0, "duplicates": 0, "declared_lost": 0, "offline_s": 0}
    return GapStatus(name, **(known | fields))


def horizon(data: float | None, alerts: float | None, rates="measured") -> HorizonStatus:
    return HorizonStatus(rates, 24.0, data, alerts, [])


def test_the_horizon_is_one_sentence_for_data_and_alerts():
    assert words.survives(horizon(31, 9 * 24)) == (
        "With these limits and the rate of the last 24 h this site survives 31 h of outage; "
        "alerts 9 days."
    )


@pytest.mark.parametrize(
    ("found", "told"),
    [
        (horizon(None, 48.0), "survives any length of outage; alerts 2 days."),
        (horizon(0.5, None), "survives 30 min of outage; alerts without end."),
        (horizon(None, None), "no outage of the cloud has an end in sight"),
        (horizon(31, 216, "planned"), "the planned rate"),
        (horizon(None, None, "unknown"), "the [plan] section of gateway.toml"),
    ],
)
def test_a_horizon_without_an_end_or_without_a_rate_says_so(found: HorizonStatus, told: str):
    assert told in words.survives(found)


def test_a_gap_is_told_whole_also_where_it_is_nothing():
    told = gap("line-07", duplicates=14, declared_lost=3, offline_s=7_800)
    assert words.gap(told) == (
        "0 lost, 14 duplicates suppressed, 2 h 10 min offline, "
        "3 messages declared lost by the device"
    )
    assert "never offline" in words.gap(gap("cam-01"))


@pytest.mark.parametrize(
    ("found", "told"),
    [
        (room(), "There is room. 25 % of 4.0 GB used, the queue's budget."),
        (room("tight", data_room_bytes=GB // 4), "Nearly full: devices are asked to keep"),
        (
            room("full", data_room_bytes=-5, bound="disk"),
            "100 % of 4.0 GB used, what the disk has for the queue.",
        ),
        (room(data_room_bytes=5 * GB), "There is room. 0 % of 4.0 GB used"),
        (room("full", alerts_held=True), "Full for alerts too: devices keep them"),
        (room("full", capacity_bytes=0, data_room_bytes=-1), "100 % of 0 B used"),
    ],
)
def test_the_room_is_told_with_what_devices_are_asked_to_do(found: RoomStatus, told: str):
    assert told in words.room(found)


def test_the_disk_s_wear_is_told_in_two_digits_so_that_the_card_stays():
    before = storage(calm(wear=WearStatus(1_234_567, 2_345_678_901, 5)))
    after = storage(calm(wear=WearStatus(1_239_999, 2_345_999_999, 5)))
    assert before == after
    assert "Written to the disk today: 1.2 MB, 2.3 GB on an average day." in before.lines


def test_a_device_that_sends_nearly_everything_is_named():
    devices = [device("press-07"), device("cam-01")]
    loud = TrafficStatus("press-07", 9_400, 1, 94)
    told = "press-07 sent 94 % of all messages of the last minute."
    assert told in storage(calm(devices=devices, traffic=[loud])).lines
    quiet = TrafficStatus("press-07", 12, 1, 94)
    even = TrafficStatus("press-07", 9_400, 1, 49)
    for traffic in ([quiet], [even], []):
        assert told not in storage(calm(devices=devices, traffic=traffic)).lines
    assert told not in storage(calm(devices=devices[:1], traffic=[loud])).lines


def test_the_page_names_the_worst_devices_and_counts_no_more_than_it_can_show():
    gaps = GapsStatus(7, [gap(f"cam-{n:02}", lost=n) for n in range(20, 0, -1)])
    assert [line.device for line in gap_lines(gaps)][:2] == ["cam-20", "cam-19"]
    assert len(gap_lines(gaps)) == 6
    assert view(calm(gaps=gaps)).gaps_note == "In the last 7 days, the worst first:"
    assert view(calm()).gaps_note == "No device missed anything in the last 7 days."


def test_the_page_shows_room_horizon_wear_gaps_and_the_promise():
    status = calm(
        room=room("tight", data_room_bytes=GB // 4),
        horizon=horizon(31, 216),
        wear=WearStatus(1_200_000, None, 0),
        gaps=GapsStatus(7, [gap("<b>line-07", declared_lost=3)]),
    )
    html = load_page().whole(view(status))
    for text in (
        "Nearly full: devices are asked to keep their results",
        "this site survives 31 h of outage; alerts 9 days.",
        "Written to the disk today: 1.2 MB.",
        "3 messages declared lost by the device",
        "&lt;b&gt;line-07",
        'href="/durability"',
    ):
        assert text in html


def test_a_length_of_time_is_told_in_its_two_largest_units():
    told = {0: "0 s", 59: "59 s", 60: "1 min", 3_600: "1 h", 7_800: "2 h 10 min"}
    told |= {86_400: "1 day", 90_000: "1 day 1 h", 200_000: "2 days 7 h"}
    assert {seconds: span_exactly(seconds) for seconds in told} == told


def test_a_size_in_two_digits_never_says_more_than_there_is():
    assert [about(size) for size in (0, 7, 99, 1_999, 123_456)] == [
        "0 B",
        "7 B",
        "99 B",
        "1.9 KB",
        "120.0 KB",
    ]
