"""Which messages share a batch: one class, one contract, full or old enough."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import islice, pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.model.outcome import MessageClass
from gateway.model.time import SiteTime
from gateway.uplink.batch import Bounds, Filling, fill
from gateway.uplink.limits import UplinkLimits
from gateway.uplink.sealing import NOBODY, Held, NotYet, Seal, Turns, plan

ALERT, ERROR_LOG, RESULT, METRIC, LOG = MessageClass
LIMITS = UplinkLimits(batch_max_messages=3, batch_max_bytes=100_000, batch_max_age_s=60)
NOW = SiteTime(10_000_000)


def held(number: int, of: MessageClass, age_s: float = 0, contract="a", size_bytes=10) -> Held:
    return Held(number, of, contract, SiteTime(NOW - round(age_s * 1000)), size_bytes)


def test_an_empty_queue_has_no_next_time():
    assert plan([], LIMITS, NOW) == NotYet(None)


def test_a_young_batch_waits_for_company_until_its_oldest_is_old_enough():
    assert plan([held(1, RESULT, 20)], LIMITS, NOW) == NotYet(40.0)
    both = [held(1, RESULT, 60), held(2, RESULT, 1)]
    assert plan(both, LIMITS, NOW) == Seal(RESULT, "a", (1, 2))


def test_a_full_batch_does_not_wait():
    four = [held(number, RESULT) for number in (1, 2, 3, 4)]
    assert plan(four, LIMITS, NOW) == Seal(RESULT, "a", (1, 2, 3))


def test_a_batch_full_of_bytes_does_not_wait():
    large = [held(number, LOG, size_bytes=60_000) for number in (1, 2)]
    assert plan(large, LIMITS, NOW) == Seal(LOG, "a", (1,))


def test_a_message_larger_than_a_batch_goes_alone():
    huge = [held(1, ALERT, size_bytes=900_000), held(2, ALERT)]
    assert plan(huge, LIMITS, NOW) == Seal(ALERT, "a", (1,))


def test_an_alert_waits_a_fifth_of_a_second_at_most():
    assert plan([held(1, ALERT)], LIMITS, NOW) == NotYet(0.2)
    assert plan([held(1, ALERT, 0.2)], LIMITS, NOW) == Seal(ALERT, "a", (1,))


def test_a_due_alert_goes_before_an_older_full_batch_of_results():
    queue = [*(held(number, RESULT, 3600) for number in (1, 2, 3)), held(4, ALERT, 1)]
    assert plan(queue, LIMITS, NOW) == Seal(ALERT, "a", (4,))


def test_an_alert_that_is_not_due_yet_holds_nothing_back():
    queue = [*(held(number, RESULT) for number in (1, 2, 3)), held(4, ALERT)]
    assert plan(queue, LIMITS, NOW) == Seal(RESULT, "a", (1, 2, 3))


def test_results_go_before_logs():
    queue = [held(1, LOG, 3600), held(2, RESULT, 60)]
    assert plan(queue, LIMITS, NOW) == Seal(RESULT, "a", (2,))


def test_two_contracts_never_share_a_batch_and_the_longer_wait_goes_first():
    queue = [
        held(1, RESULT, 90, "b"),
        held(2, RESULT, 80, "a"),
        held(3, RESULT, 70, "b"),
    ]
    assert plan(queue, LIMITS, NOW) == Seal(RESULT, "b", (1, 3))


def test_metrics_are_never_sealed_as_rows():
    assert plan([held(1, METRIC, 10**6)], LIMITS, NOW) == NotYet(None)


def test_the_next_time_is_the_earliest_of_all_queues():
    for ages in ([50, 30, 20], [20, 50, 30], [30, 20, 50]):
        of_a, of_b, of_logs = ages
        queue = [held(1, RESULT, of_a), held(2, RESULT, of_b, "b"), held(3, LOG, of_logs)]
        assert plan(queue, LIMITS, NOW) == NotYet(10.0)


LIVE = UplinkLimits(batch_max_messages=3, batch_max_age_s=60, live_within_s=600)
"""What waits for less than ten minutes is live; overdue is a class after three."""


def after(*classes: MessageClass) -> Turns:
    """Whose turn it is once live batches of these classes were sealed."""
    turns = NOBODY
    for one in classes:
        turns = replace(turns, last_live=one, alert_went=one is ALERT)
    return turns


@pytest.mark.parametrize("last", [ALERT, RESULT, LOG])
def test_results_that_are_only_due_let_every_alert_pass(last):
    queue = [held(1, RESULT, 179.9), held(2, ALERT, 1)]
    assert plan(queue, LIVE, NOW, after(last)) == Seal(ALERT, "a", (2,))


@pytest.mark.parametrize("last", [RESULT, LOG])
def test_overdue_results_go_after_a_batch_of_alerts_and_not_twice_in_a_row(last):
    queue = [held(1, RESULT, 180), held(2, ALERT, 1)]
    assert plan(queue, LIVE, NOW, after(ALERT)) == Seal(RESULT, "a", (1,))
    assert plan(queue, LIVE, NOW, after(ALERT, last)) == Seal(ALERT, "a", (2,))


def test_of_two_overdue_classes_the_one_that_waited_longer_goes():
    queue = [held(1, LOG, 200), held(2, RESULT, 190), held(3, ALERT, 1)]
    assert plan(queue, LIVE, NOW, after(ALERT)) == Seal(LOG, "a", (1,))


def test_overdue_logs_do_not_wait_for_an_end_of_the_results():
    queue = [held(1, RESULT, 500), held(2, LOG, 180)]
    assert plan(queue, LIVE, NOW, after(RESULT)) == Seal(LOG, "a", (2,))
    assert plan(queue, LIVE, NOW, after(LOG)) == Seal(RESULT, "a", (1,))


def test_without_alerts_overdue_results_go_one_batch_after_the_other():
    assert plan([held(1, RESULT, 180)], LIVE, NOW, after(RESULT)) == Seal(RESULT, "a", (1,))


def test_a_class_that_may_not_be_sealed_now_is_passed_over():
    queue = [held(1, RESULT, 100), held(2, LOG, 100)]
    assert plan(queue, LIVE, NOW, NOBODY, {LOG, ALERT}) == Seal(LOG, "a", (2,))
    assert plan(queue, LIVE, NOW, NOBODY, {ALERT}) == NotYet(None)


def backlog_and_live() -> list[Held]:
    return [
        *(held(n, RESULT, 7_200, size_bytes=100) for n in (1, 2, 3)),
        *(held(n, RESULT, 90, size_bytes=100) for n in (7, 8, 9)),
    ]


def test_live_results_do_not_wait_for_the_end_of_their_backlog():
    assert plan(backlog_and_live(), LIVE, NOW) == Seal(RESULT, "a", (7, 8, 9))


def test_a_backlog_that_is_the_last_of_its_class_takes_live_companions_along():
    queue = [held(1, RESULT, 7_200), held(2, RESULT, 5)]
    assert plan(queue, LIVE, NOW) == Seal(RESULT, "a", (1, 2))


def test_what_only_waits_for_its_batch_to_fill_is_never_backlog():
    slow = UplinkLimits(batch_max_age_s=3_600, live_within_s=60)
    queue = [held(1, RESULT, 3_000)]
    assert plan(queue, slow, NOW) == NotYet(600.0)


@pytest.mark.parametrize("share", [5, 30, 50, 80])
def test_while_both_wait_the_backlog_gets_its_share_of_the_bytes(share):
    limits = UplinkLimits(batch_max_messages=3, batch_max_age_s=60, live_within_s=600,
                          backlog_share_percent=share)  # fmt: skip
    turns, old, bytes_of_all = NOBODY, 0, 0
    for _ in range(400):
        decision = plan(backlog_and_live(), limits, NOW, turns)
        assert isinstance(decision, Seal)
        turns = decision.turns
        old += 300 * (decision.message_ids[0] == 1)
        bytes_of_all += 300
    assert abs(100 * old / bytes_of_all - share) < 1


def test_a_live_alert_goes_before_any_backlog_and_then_lets_one_batch_pass():
    queue = [held(1, ALERT, 7_200), *backlog_and_live(), held(99, ALERT, 1)]
    turns, order = NOBODY, []
    for _ in range(6):
        decision = plan(queue, LIVE, NOW, turns)
        assert isinstance(decision, Seal)
        turns = decision.turns
        order.append(decision.message_ids[-1] == 99 and decision.message_ids[0] == 99)
    assert order[0]
    assert not any(not one and not two for one, two in pairwise(order)), order


def test_in_the_backlog_alerts_go_first_and_the_oldest_of_the_others_in_between():
    queue = [held(1, ALERT, 900), held(2, RESULT, 7_200), held(3, LOG, 9_000)]
    first = plan(queue, LIVE, NOW)
    assert first == Seal(ALERT, "a", (1,))
    assert isinstance(first, Seal)
    assert plan(queue, LIVE, NOW, first.turns) == Seal(LOG, "a", (3,))


UPLOAD_MS = 300
LINE = UplinkLimits()
STEPS_MS = {ALERT: 100, RESULT: 100, LOG: 1_000}


def seen(queue: list[Held], now: int) -> list[Held]:
    """What is read of a queue: its oldest, and its first live ones (``spool.due.waiting``)."""
    most = LINE.batch_max_messages
    live = (one for one in queue[most:] if now - one.received <= LINE.live_within_s * 1000)
    return queue[:most] + list(islice(live, most))


@dataclass
class Line:
    """A plant on a slow line, in virtual time: what is sealed is sent, one batch at a time."""

    backlog: int = 0
    """Results that wait from an outage of an hour."""

    def run(self, until_ms: int) -> Iterator[tuple[Held, int]]:
        """Yield each message with the time at which its upload begins."""
        arrivals = [
            Held(0, of, "a", SiteTime(at_ms), 200)
            for of, step_ms in STEPS_MS.items()
            for at_ms in range(0, until_ms, step_ms)
        ]
        old = [Held(0, RESULT, "a", SiteTime(-3_600_000), 200) for _ in range(self.backlog)]
        coming = sorted(old + arrivals, key=lambda one: one.received)
        coming = [Held(n, one.message_class, "a", one.received, 200)
                  for n, one in enumerate(coming)]  # fmt: skip
        waiting: dict[MessageClass, list[Held]] = {ALERT: [], RESULT: [], LOG: []}
        now, arrived, turns = 0, 0, NOBODY
        while now < until_ms:
            while arrived < len(coming) and coming[arrived].received <= now:
                waiting[coming[arrived].message_class].append(coming[arrived])
                arrived += 1
            oldest = [one for queue in waiting.values() for one in seen(queue, now)]
            decision = plan(oldest, LINE, SiteTime(now), turns)
            if isinstance(decision, NotYet):
                now += round(1000 * (decision.due_in_s or 0.1))
                continue
            turns, name = decision.turns, decision.message_class
            gone = set(decision.message_ids)
            yield from ((one, now) for one in waiting[name] if one.message_id in gone)
            waiting[name] = [one for one in waiting[name] if one.message_id not in gone]
            now += UPLOAD_MS


def test_steady_alerts_on_a_slow_line_hold_back_neither_results_nor_logs():
    """An alert was due at every look: of 6000 results and 600 logs not one was ever sealed."""
    sent = list(Line().run(600_000))
    for of, waits_ms in ((ALERT, 900), (RESULT, 33_000), (LOG, 33_000)):
        mine = [at_ms - one.received for one, at_ms in sent if one.message_class is of]
        assert max(mine) <= waits_ms, of
        assert len(mine) >= (600_000 - waits_ms) // STEPS_MS[of], of


def test_after_an_outage_an_alert_lets_one_batch_of_the_backlog_pass_at_most():
    sent = list(Line(backlog=80_000).run(30_000))
    alerts = [at_ms - one.received for one, at_ms in sent if one.message_class is ALERT]
    rest = sum(one.message_class is RESULT for one, _ in sent)
    assert max(alerts) <= 200 + 3 * UPLOAD_MS  # its age, the one under way, one other
    assert rest >= 0.4 * LINE.batch_max_messages * 30_000 / UPLOAD_MS


QUEUES = st.lists(
    st.tuples(
        st.sampled_from(list(MessageClass)),
        st.floats(0, 100),
        st.sampled_from("ab"),
        st.integers(0, 120_000),
    ),
    max_size=30,
)


@given(QUEUES)
def test_asking_again_drains_every_queue_and_takes_no_message_twice(drawn):
    by_age = sorted(drawn, key=lambda one: -one[1])
    queue = [held(n, of, age, contract, size) for n, (of, age, contract, size) in enumerate(by_age)]
    sealed: list[int] = []
    late = SiteTime(NOW + 10**6)
    while isinstance(decision := plan(queue, LIMITS, late), Seal):
        chosen = [one for one in queue if one.message_id in decision.message_ids]
        assert 0 < len(chosen) <= LIMITS.batch_max_messages
        assert {(one.message_class, one.contract_sha256) for one in chosen} == {
            (decision.message_class, decision.contract_sha256)
        }
        assert len(chosen) == 1 or sum(one.size_bytes for one in chosen) <= 100_000
        sealed += decision.message_ids
        queue = [one for one in queue if one.message_id not in decision.message_ids]
    assert decision == NotYet(None)
    assert {one.message_class for one in queue} <= {METRIC}
    assert len(set(sealed)) == len(sealed) == len(drawn) - len(queue)


@given(st.lists(st.integers(0, 50)), st.integers(1, 6), st.integers(1, 100))
def test_a_batch_is_full_exactly_when_nothing_more_can_be_added(sizes, messages, max_bytes):
    bound = Bounds(messages, max_bytes, 0)
    filling = fill(sizes, bound)
    taken = sizes[: filling.messages]
    assert len(taken) <= messages
    assert len(taken) <= 1 or sum(taken) <= max_bytes
    if not filling.full:
        assert filling == Filling(len(sizes), full=False)
        assert len(sizes) < messages
