"""How long an outage is survived: retention, room, and the order in which room is made."""

from hypothesis import given
from hypothesis import strategies as st

from gateway.model.outcome import MessageClass
from gateway.spool.horizon import SHED_FIRST, Flow, Limit, Pool, Survival, horizon, losing

ALERT, ERROR_LOG, RESULT, METRIC, LOG = MessageClass
EVERYTHING = frozenset(MessageClass)
ALL = Pool("spool", EVERYTHING, 1_000)


def test_room_lasts_as_long_as_the_rate_says():
    found = horizon({RESULT: Flow(bytes_per_h=100)}, [ALL])
    assert found[RESULT] == Survival(RESULT, leaves=True, hours=10, limit=Limit.ROOM, pool="spool")


def test_what_waits_already_takes_room():
    found = horizon({RESULT: Flow(bytes_per_h=100, held_bytes=400)}, [ALL])
    assert found[RESULT].hours == 6


def test_retention_ends_what_room_would_have_kept():
    found = horizon({RESULT: Flow(bytes_per_h=1, kept_h=24)}, [ALL])
    assert (found[RESULT].hours, found[RESULT].limit) == (24, Limit.RETENTION)


def test_what_waits_already_has_used_up_a_part_of_its_retention():
    flow = Flow(bytes_per_h=1, kept_h=24, oldest_h=20)
    assert horizon({RESULT: flow}, [ALL])[RESULT].hours == 4


def test_a_class_is_touched_only_after_those_that_are_shed_before_it():
    flows = {
        ALERT: Flow(bytes_per_h=10),
        RESULT: Flow(bytes_per_h=40),
        METRIC: Flow(bytes_per_h=50, leaves=False),
    }
    found = horizon(flows, [ALL])
    assert (found[METRIC].hours, found[RESULT].hours, found[ALERT].hours) == (10, 20, 100)


def test_the_order_is_the_published_one():
    assert SHED_FIRST == (METRIC, LOG, RESULT, ERROR_LOG, ALERT)
    assert set(SHED_FIRST) == set(MessageClass)


def test_retention_holds_a_class_at_its_steady_size_while_the_others_grow():
    """Metrics of 5 h are 500 bytes and no more; results have the other 500, at 25 an hour."""
    flows = {RESULT: Flow(bytes_per_h=25), METRIC: Flow(bytes_per_h=100, leaves=False, kept_h=5)}
    found = horizon(flows, [ALL])
    assert found[METRIC].hours == 20
    assert found[RESULT].hours == 40


def test_a_class_of_which_nothing_leaves_loses_nothing_by_its_retention():
    found = horizon({METRIC: Flow(bytes_per_h=1, leaves=False, kept_h=5)}, [ALL])
    assert found[METRIC] == Survival(METRIC, leaves=False, hours=None, limit=None)


def test_the_narrowest_room_counts_and_is_named():
    narrow = Pool("alerts", frozenset({ALERT}), 100)
    found = horizon({ALERT: Flow(bytes_per_h=50)}, [ALL, narrow])
    assert (found[ALERT].hours, found[ALERT].pool) == (2, "alerts")


def test_a_message_takes_more_room_on_the_disk_than_its_payload():
    disk = Pool("disk", EVERYTHING, 1_000, a_message_bytes=300)
    found = horizon({ALERT: Flow(messages_per_h=1, bytes_per_h=100, held_messages=2)}, [disk])
    assert found[ALERT].hours == 1


def test_without_a_flow_there_is_no_end_in_sight():
    assert {one.hours for one in horizon({}, [ALL]).values()} == {None}


def test_a_queue_that_is_over_its_room_survives_nothing():
    assert horizon({LOG: Flow(held_bytes=1_001)}, [ALL])[LOG].hours == 0


def test_an_outage_is_survived_unless_something_that_may_leave_is_lost():
    flows = {
        ALERT: Flow(bytes_per_h=10),
        RESULT: Flow(bytes_per_h=40, kept_h=24),
        METRIC: Flow(bytes_per_h=50, leaves=False, kept_h=1),
    }
    found = horizon(flows, [ALL])
    assert [one.message_class for one in losing(found.values(), 72)] == [RESULT]
    assert losing(found.values(), 19) == []


@st.composite
def flow(draw):
    return Flow(
        bytes_per_h=draw(st.integers(0, 500)),
        leaves=draw(st.booleans()),
        kept_h=draw(st.none() | st.integers(1, 50)),
        held_bytes=draw(st.integers(0, 300)),
    )


def simulated_h(one: MessageClass, flows: dict[MessageClass, Flow], room: int) -> float | None:
    """Fill the room in small steps, and say when the class is touched; slow and simple."""
    step_h = 1 / 16
    safer = SHED_FIRST[SHED_FIRST.index(one) :]
    for step in range(16 * 60):
        level = 0.0
        for other in safer:
            flowing = flows[other]
            held = flowing.held_bytes + flowing.bytes_per_h * step * step_h
            if flowing.kept_h is not None:
                held = min(held, max(flowing.held_bytes, flowing.bytes_per_h * flowing.kept_h))
            level += held
        if level > room:
            return step * step_h
    return None


@given(st.fixed_dictionaries({one: flow() for one in MessageClass}), st.integers(1, 5_000))
def test_the_formula_agrees_with_filling_the_room_in_small_steps(
    flows: dict[MessageClass, Flow], room: int
):
    for one in MessageClass:
        found = horizon(flows, [Pool("p", EVERYTHING, room)])[one]
        expected = simulated_h(one, flows, room)
        hours = found.hours if found.limit is Limit.ROOM else None
        if found.limit is Limit.RETENTION:
            assert found.hours is not None
            assert expected is None or found.hours <= expected
        elif not (flows[one].bytes_per_h or flows[one].held_bytes):
            assert hours is None  # nothing of it can be lost
        elif expected is None:
            assert hours is None or hours >= 59
        else:
            assert hours is not None
            assert expected - 1 / 16 - 1e-6 <= hours <= expected + 1e-6
