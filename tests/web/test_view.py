"""Is the line fine, and in which words?"""

import pytest
from hypothesis import given
from hypothesis import strategies as some

from gateway.model.access import Access
from gateway.model.outcome import MessageClass, Outcome
from gateway.model.problem import Severity
from gateway.web import words
from gateway.web.limits import ALERTS_SHOWN_MAX
from gateway.web.status import BrokerStatus, QueueStatus, SpoolStatus, UplinkStatus
from gateway.web.view import Shape, view
from tests.simulators.site import NOTHING, alert, calm, device, problem

BAD = {Shape.CROSS, Shape.TRIANGLE}


def uplink(state, **fields):
    known = {"state": state, "since_ms": 1_000, "parked": 0, "last_error": None}
    return UplinkStatus(**(known | fields))


def test_a_calm_line_is_fine_and_nobody_has_to_act():
    verdict = view(calm()).verdict
    assert (verdict.shape, verdict.word) == (Shape.CHECK, "The line is fine")
    assert verdict.lines == ("All 4 devices are online.", "Nothing to do.")


def test_a_warning_needs_a_look_and_a_critical_problem_needs_help_now():
    look = view(calm(problems=[problem("a", "x")])).verdict
    assert (look.shape, look.lines[1]) == (Shape.TRIANGLE, "One thing to do.")
    act = view(calm(problems=[problem("a", "x", severity=Severity.CRITICAL), problem("b", "x")]))
    assert (act.verdict.shape, act.verdict.word) == (Shape.CROSS, "The line needs help now")
    assert act.verdict.lines[1] == "2 things to do, the most urgent first."


def test_a_notice_leaves_the_line_fine_but_is_shown():
    shown = view(calm(problems=[problem("a", "x", severity=Severity.NOTICE)]))
    assert shown.verdict.shape is Shape.CHECK
    assert [card.shape for card in shown.advice] == [Shape.RING]


def test_an_empty_line_says_how_to_add_the_first_device():
    verdict = view(calm(devices=[])).verdict
    assert (verdict.shape, verdict.word) == (Shape.RING, "No devices yet")
    assert "site-gateway device add" in verdict.lines[0]


statuses = some.builds(
    calm,
    devices=some.lists(
        some.builds(
            device,
            some.sampled_from(["cam-01", "cam-02", "cam-03"]),
            state=some.sampled_from(["online", "offline", "never-seen"]),
            access=some.sampled_from(Access),
        ),
        max_size=3,
        unique_by=lambda d: d.id,
    ),
    broker=some.builds(
        BrokerStatus, pid=some.none(), state=some.sampled_from(["running", "starting", "down"])
    ),
    uplink=some.sampled_from(list(words.UPLINK)).map(uplink),
    problems=some.lists(
        some.builds(
            problem,
            some.sampled_from(["broker-down", "uplink-offline", "device-silent"]),
            some.sampled_from(["cam-01", "cam-02", "uplink"]),
            severity=some.sampled_from(Severity),
        ),
        max_size=3,
    ),
)


@given(statuses)
def test_the_page_never_says_fine_above_a_bad_card(status):
    shown = view(status)
    shapes = [card.shape for card in (*shown.look, *shown.fine)]
    shapes += [card.shape for card in shown.links]
    shapes += [card.shape for card in shown.advice]
    if BAD & set(shapes):
        assert shown.verdict.shape in BAD


@given(statuses)
def test_a_verdict_that_is_not_fine_always_comes_with_something_to_do(status):
    shown = view(status)
    if shown.verdict.shape in BAD:
        assert shown.advice[0].shape is shown.verdict.shape
        assert shown.advice[0].advice.action


@given(statuses)
def test_every_device_is_shown_exactly_once(status):
    shown = view(status)
    assert sorted(card.id for card in (*shown.look, *shown.fine)) == sorted(
        d.id for d in status.devices
    )


def test_devices_stand_worst_first():
    devices = [
        device("a"),
        device("b", state="never-seen", last_seen_ms=None),
        device("c", state="offline"),
        device("d"),
        device("e", access=Access.QUARANTINED),
    ]
    shown = view(calm(devices=devices, problems=[problem("device-key-conflict", "d")]))
    assert [card.id for card in shown.look] == ["c", "e", "d", "b"]
    assert [card.id for card in shown.fine] == ["a"]


def test_a_card_names_the_problem_of_its_device():
    shown = view(calm(problems=[problem("device-key-conflict", "cam-02", title="Two share a key")]))
    (card,) = shown.look
    assert (card.id, card.shape, card.notes) == ("cam-02", Shape.TRIANGLE, ("Two share a key",))


def test_a_device_without_a_verdict_is_marked_but_not_bad():
    shown = view(calm(devices=[device("cam-01", access=Access.PROVISIONAL)]))
    assert shown.fine[0].notes == ("Not verified yet",)


def test_an_age_changes_no_card():
    assert view(calm(devices=[device("a", last_seen_ms=1)])).fine == (
        view(calm(devices=[device("a", last_seen_ms=2)])).fine
    )


def test_when_the_wan_is_down_the_page_says_so_in_plain_words():
    link = view(calm(uplink=uplink("offline", last_error="connect timed out"))).links[0]
    assert link.shape is Shape.TRIANGLE
    assert link.text == (
        "The connection to the cloud is down since ",
        words.Moment(1_000),
        ". Alerts are kept here and will be sent when it is back.",
    )
    assert link.notes == ("connect timed out",)


@pytest.mark.parametrize("state", list(words.UPLINK))
def test_every_state_of_the_uplink_has_whole_sentences(state):
    for since_ms in (None, 1_000):
        text = view(calm(uplink=uplink(state, since_ms=since_ms))).links[0].text
        spoken = "".join("14:02" if isinstance(piece, words.Moment) else piece for piece in text)
        assert spoken[0].isupper()
        assert spoken.endswith(".")
        assert "  " not in spoken


def test_an_error_of_the_past_is_not_shown_beside_a_working_uplink():
    assert view(calm(uplink=uplink("online", last_error="old"))).links[0].notes == ()


def test_parked_batches_are_counted_in_words():
    link = view(calm(uplink=uplink("online", parked=3))).links[0]
    assert link.notes == ("3 batches are set aside: the cloud refused the content.",)


def test_the_queue_is_told_class_by_class():
    waiting = QueueStatus(rows=1_204, bytes=2_100_000, oldest_s=190.5)
    one = QueueStatus(rows=1, bytes=80, oldest_s=None)
    shown = view(
        calm(
            spool=SpoolStatus(
                alert=one, error_log=NOTHING, result=waiting, metric=NOTHING, log=NOTHING
            )
        )
    )
    assert [(line.name, line.text, line.size) for line in shown.queue] == [
        ("Alerts", "1 message waits", "80 B"),
        ("Error logs", "Nothing waits", ""),
        ("Results", "1,204 messages wait, oldest 3 min", "2.1 MB"),
        ("Metrics", "Nothing waits", ""),
        ("Logs", "Nothing waits", ""),
    ]


def test_every_class_and_every_outcome_has_words():
    assert set(words.QUEUE_NAME) == {kind.value for kind in MessageClass}
    assert set(words.OUTCOME) == set(Outcome)
    assert set(words.DEVICE_ACCESS) == set(Access)
    assert set(words.TITLES) == {shape.value for shape in Shape}


def test_an_alert_is_told_with_its_certainty_and_where_it_is():
    (card,) = view(calm(alerts=[alert(7, picture="/alerts/7/0.png")])).alerts
    assert (card.label, card.severity, card.sure) == ("scratch", "Major", "97% sure")
    assert card.outcome == "Sent to the cloud"
    assert card.alt == "Camera picture of the alert: scratch, seen by cam-01"


def test_an_alert_waits_for_no_cloud_where_none_is_set_up():
    waiting = [alert(1, outcome=Outcome.QUEUED)]
    assert view(calm(alerts=waiting)).alerts[0].outcome == "Kept here, waits for the cloud"
    assert view(calm(alerts=waiting, uplink=uplink("off"))).alerts[0].outcome == "Kept here"


def test_only_the_last_alerts_are_shown_and_a_long_label_is_cut():
    shown = view(calm(alerts=[alert(n, label="x" * 500) for n in range(50)])).alerts
    assert len(shown) == ALERTS_SHOWN_MAX
    assert len(shown[0].label) == 120


def test_a_contract_that_lets_rows_leave_is_named():
    assert view(calm(privacy=["virtual-line"])).contracts == ("virtual-line",)
