"""How far a receipt may go, number by number."""

import pytest

from gateway.intake.receipt import AHEAD_MAX, DIGESTS_KEPT, Admission, Marks

NEW, DUPLICATE, CONFLICT, BEYOND = Admission


def marks(mark: int = 0, stored: dict[int, bytes] | None = None) -> Marks:
    """A stream as it is loaded: ``stored`` are the digests on the disk."""
    stored = stored or {}
    return Marks(mark, {seq: one for seq, one in stored.items() if seq > mark}, stored.get)


# Each story: (seq, base, content) as they arrive, then what each is and the last mark.
STORIES = {
    "in order": ([(1, 1, b"a"), (2, 1, b"b"), (3, 1, b"c")], [NEW, NEW, NEW], 3),
    "a hole holds the mark": ([(1, 1, b"a"), (3, 1, b"c")], [NEW, NEW], 1),
    "a hole that is filled": (
        [(1, 1, b"a"), (3, 1, b"c"), (4, 1, b"d"), (2, 1, b"b")],
        [NEW, NEW, NEW, NEW],
        4,
    ),
    "backwards": ([(3, 1, b"c"), (2, 1, b"b"), (1, 1, b"a")], [NEW, NEW, NEW], 3),
    "the first number is missing": ([(2, 1, b"b")], [NEW], 0),
    "a resend": ([(1, 1, b"a"), (1, 1, b"a")], [NEW, DUPLICATE], 1),
    "a resend beyond a hole": ([(5, 1, b"e"), (5, 1, b"e")], [NEW, DUPLICATE], 0),
    "other content": ([(1, 1, b"a"), (1, 1, b"x")], [NEW, CONFLICT], 1),
    "other content beyond a hole": ([(5, 1, b"e"), (5, 1, b"x")], [NEW, CONFLICT], 0),
    "a declared gap": ([(1, 1, b"a"), (5, 5, b"e")], [NEW, NEW], 5),
    "a gap declared by a later message": ([(1, 1, b"a"), (6, 5, b"f")], [NEW, NEW], 4),
    "a gap before anything came": ([(9, 9, b"i")], [NEW], 9),
    "a gap over what is stored already": (
        [(3, 1, b"c"), (6, 5, b"f"), (5, 5, b"e")],
        [NEW, NEW, NEW],
        6,
    ),
    "a gap that ends where stored messages go on": ([(4, 1, b"d"), (5, 4, b"e")], [NEW, NEW], 5),
    "a base behind the mark declares nothing": (
        [(1, 1, b"a"), (2, 1, b"b"), (3, 2, b"c")],
        [NEW, NEW, NEW],
        3,
    ),
    "the last number that may be ahead": ([(AHEAD_MAX, 1, b"z")], [NEW], 0),
    "a number too far ahead": ([(AHEAD_MAX + 1, 1, b"z")], [BEYOND], 0),
    "a far number whose base says why": ([(50_000, 50_000, b"z")], [NEW], 50_000),
    "a far number that its base does not reach": ([(50_000, 30_000, b"z")], [BEYOND], 0),
}


@pytest.mark.parametrize("name", STORIES)
def test_the_mark_moves_to_the_last_number_without_a_hole_and_no_further(name: str):
    arrivals, answers, mark = STORIES[name]
    one = marks()
    assert [one.offer(*arrival) for arrival in arrivals] == answers
    assert one.mark == mark


def test_a_message_that_is_too_far_ahead_declares_no_gap_either():
    one = marks(3)
    assert one.offer(3 + 2 * AHEAD_MAX, 10, b"z") is BEYOND
    assert (one.mark, one.lost, one.stored) == (3, 0, {})


def test_a_conflict_beyond_a_hole_does_not_move_the_mark_by_its_base():
    one = marks(0, {5: b"e"})
    assert one.offer(5, 5, b"x") is CONFLICT
    assert (one.mark, one.lost) == (0, 0)


def test_what_came_before_its_gap_was_declared_is_not_counted_as_lost():
    one = marks(1, {3: b"c"})
    assert one.offer(6, 6, b"f") is NEW
    assert (one.mark, one.lost) == (6, 3)  # 2, 4 and 5


def test_a_late_arrival_in_a_declared_gap_is_kept_and_no_longer_lost():
    one = marks()
    one.offer(5, 5, b"e")
    assert one.lost == 4
    assert one.offer(3, 1, b"c") is NEW
    assert (one.mark, one.lost, one.stored) == (5, 3, {5: b"e", 3: b"c"})
    assert one.offer(3, 1, b"c") is DUPLICATE
    assert one.offer(3, 1, b"x") is CONFLICT


def test_a_resend_of_what_an_earlier_batch_stored_is_a_duplicate():
    one = marks(2, {1: b"a", 2: b"b", 4: b"d"})
    assert one.offer(2, 1, b"b") is DUPLICATE
    assert one.offer(4, 1, b"d") is DUPLICATE
    assert one.stored == {}


def test_a_number_whose_digest_is_forgotten_is_a_conflict_and_is_never_stored_again():
    one = marks(DIGESTS_KEPT + 5, {})
    assert one.offer(5, 1, b"a") is CONFLICT
    assert one.offer(6, 1, b"a") is NEW  # in a gap that is still remembered
    assert one.stored == {6: b"a"}


def test_a_message_that_was_stored_beyond_a_hole_is_known_after_the_mark_has_passed_it():
    one = marks(0, {2: b"b"})
    one.offer(1, 1, b"a")
    assert one.mark == 2
    assert one.offer(2, 1, b"b") is DUPLICATE
    assert one.offer(2, 1, b"x") is CONFLICT
