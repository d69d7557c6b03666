"""No deletion goes unsaid and none is said twice, whatever a crash took."""

from hypothesis import given
from hypothesis import strategies as st

from gateway.health.proof import DAY_MS, Expired, Remaining, daily, proofs
from gateway.model.time import SiteTime

NOW = SiteTime(5_000)


def test_what_went_is_said_by_class_and_contract_with_the_total_it_reaches():
    went = [Expired("log", "a", 3), Expired("log", "b", 2), Expired("result", "a", 1)]
    found = list(proofs({"log": 15, "result": 1}, {"log": (10, SiteTime(4_000))}, went, NOW))
    assert found == [
        (
            "log",
            {"messages": 3, "since_ms": 4_000, "until_ms": 5_000, "total": 13, "contract": "a"},
        ),
        (
            "log",
            {"messages": 2, "since_ms": 4_000, "until_ms": 5_000, "total": 15, "contract": "b"},
        ),
        (
            "result",
            {"messages": 1, "since_ms": 0, "until_ms": 5_000, "total": 1, "contract": "a"},
        ),
    ]


def test_where_nothing_went_nothing_is_said():
    assert list(proofs({"log": 10}, {"log": (10, NOW)}, [], NOW)) == []


def test_what_went_before_a_crash_is_said_without_its_contract():
    ((name, detail),) = proofs({"log": 12}, {"log": (10, SiteTime(1))}, [], NOW)
    assert (name, detail["messages"], detail["total"], detail["contract"]) == ("log", 2, 12, "")
    assert "the gateway ended before" in str(detail["why"])


def test_a_queue_that_counts_anew_is_said_from_its_beginning():
    ((_, detail),) = proofs({"log": 4}, {"log": (900, SiteTime(1))}, [Expired("log", "a", 4)], NOW)
    assert (detail["messages"], detail["total"]) == (4, 4)


RUNS = st.lists(
    st.tuples(st.dictionaries(st.sampled_from("abc"), st.integers(1, 9), max_size=3), st.booleans())
)


@given(RUNS)
def test_the_entries_of_a_class_add_up_to_what_the_queue_counted(runs):
    """Each run ends messages under contracts; then it enters them, or a crash forgets them."""
    total, said = 0, 0
    before: dict[str, tuple[int, SiteTime]] = {}
    for went, crashed in runs:
        total += sum(went.values())
        told = [] if crashed else [Expired("log", name, count) for name, count in went.items()]
        for _, detail in proofs({"log": total}, before, told, NOW):
            said += int(detail["messages"])
            before = {"log": (int(detail["total"]), NOW)}
        assert said == total


def test_a_day_has_its_entry_even_when_nothing_was_due():
    last = SiteTime(9)
    assert daily(last, SiteTime(9 + DAY_MS - 1), NOW, Remaining(0, 0)) is None
    for one in (None, last):
        detail = daily(one, SiteTime(9 + DAY_MS), NOW, Remaining(0, 7))
        assert detail == {"until_ms": NOW, "left": 0, "in_batches": 7}
