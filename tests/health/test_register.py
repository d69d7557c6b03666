"""What stands and what was counted, within bounds that no device can stretch."""

from gateway.health.register import COUNTERS_MAX, PROBLEMS_MAX, Register, Series, Standing
from gateway.model.problem import Problem, Raised, Severity
from gateway.model.time import SiteTime

SILENT = Problem("device-silent", Severity.WARNING, "title", "cause", "action")
CONFLICT = Problem("device-key-conflict", Severity.WARNING, "title", "cause", "action")
NOW = SiteTime(1_000)


def test_a_problem_stands_since_it_was_reported_first_with_its_last_detail():
    register = Register()
    assert register.report(Raised(SILENT, "cam-01", "a"), NOW)
    assert not register.report(Raised(SILENT, "cam-01", "b"), SiteTime(NOW + 5))
    assert register.problems == {
        ("device-silent", "cam-01"): Standing(Raised(SILENT, "cam-01", "b"), NOW)
    }


def test_problems_of_one_code_stand_for_each_subject():
    register = Register()
    assert register.report(Raised(SILENT, "cam-01"), NOW)
    assert register.report(Raised(SILENT, "cam-02"), NOW)
    assert register.report(Raised(CONFLICT, "cam-01"), NOW)
    assert register.clear("device-silent", "cam-01")
    assert set(register.problems) == {
        ("device-silent", "cam-02"),
        ("device-key-conflict", "cam-01"),
    }


def test_a_problem_that_comes_back_stands_anew():
    register = Register()
    register.report(Raised(SILENT, "cam-01"), NOW)
    assert register.clear("device-silent", "cam-01")
    assert not register.clear("device-silent", "cam-01")
    later = SiteTime(NOW + 5)
    assert register.report(Raised(SILENT, "cam-01"), later)
    assert register.problems["device-silent", "cam-01"].since == later


def test_problems_are_bounded_and_those_that_stand_are_still_updated():
    register = Register()
    for number in range(PROBLEMS_MAX):
        assert register.report(Raised(SILENT, f"d-{number}"), NOW)
    assert not register.report(Raised(SILENT, "one-more"), NOW)
    assert len(register.problems) == PROBLEMS_MAX
    register.report(Raised(SILENT, "d-0", "news"), NOW)
    assert register.problems["device-silent", "d-0"].raised.detail == "news"
    register.clear("device-silent", "d-1")
    assert register.report(Raised(SILENT, "one-more"), NOW)


def test_a_counter_is_named_by_its_labels_in_sorted_order():
    register = Register()
    register.count("refused_total", 2, reason="contract", device="cam-01")
    register.count("refused_total", 1, device="cam-01", reason="contract")
    register.count("stored_total", 5)
    assert register.counters == {"refused_total:cam-01:contract": 3, "stored_total": 5}
    assert register.series == {
        "refused_total:cam-01:contract": Series(
            "refused_total", {"device": "cam-01", "reason": "contract"}
        ),
        "stored_total": Series("stored_total", {}),
    }


def test_counters_are_bounded_and_those_that_run_go_on():
    register = Register()
    for number in range(COUNTERS_MAX + 10):
        register.count("total", 1, name=str(number))
    assert len(register.counters) == len(register.series) == COUNTERS_MAX
    register.count("total", 1, name="0")
    assert register.counters["total:0"] == 2
