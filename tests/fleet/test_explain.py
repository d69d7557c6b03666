"""A contract in plain words says what the contract does, no more and no less."""

from pathlib import Path

import pytest

from gateway.fleet.explain import NO_AGGREGATES, NOT_DP, Line, explain, summary
from gateway.fleet.folder import check_contracts, read_profiles
from gateway.model.contract import (
    AlertRule,
    CameraRule,
    Contract,
    FieldRule,
    LogRule,
    MetricRule,
    ResultRule,
)

SHIPPED = Path(__file__).parents[2] / "firmware-profiles"
CLOSED = Contract(version=1, name="c", alert=AlertRule(leaves=False), log=LogRule(leaves=False))
OPEN = Contract(
    version=1,
    name="o",
    fields={
        "share": FieldRule("number", ("alert",), minimum=0, maximum=1, leaves=True, scale=1000),
        "zone": FieldRule("string", ("alert", "result"), leaves=True, words=("a", "b")),
        "operator": FieldRule("string", ("result",)),
    },
    camera=CameraRule(frame_pixels=1_000_000),
    alert=AlertRule(picture_leaves=True, labels=("scratch",), withheld=("score",)),
    result=ResultRule(rows_leave=True, withheld=("latency_ms",), kept_h=48),
    metric=MetricRule(mechanism="aggregate-dp"),
    log=LogRule(templates=("boot", "jammed")),
)


def said(contract: Contract, subject: str) -> Line:
    (found,) = [line for line in explain(contract) if line.subject == subject]
    return found


def test_the_camera_feed_stays_nowhere_and_never_leaves():
    for contract in (OPEN, CLOSED):
        line = said(contract, "camera feed")
        assert (line.sensitivity, line.stays, line.leaves, line.form) == (
            *("high", "not at all", False, "never"),
        )


def test_of_a_closed_contract_nothing_leaves():
    for line in explain(CLOSED):
        assert not line.leaves
        assert line.form in {"never", "nothing"}


def test_whatever_leaves_row_by_row_is_called_not_differentially_private():
    leaving = [line for line in explain(OPEN) if line.leaves]
    assert {line.subject for line in leaving} == {
        *("alerts", "pictures of alerts", "results", "error logs", "other logs"),
    }
    assert all(NOT_DP in line.form for line in leaving)


def test_what_leaves_is_told_field_by_field():
    assert said(OPEN, "alerts").form.endswith(
        "time, kind, severity, label; only 1 known words as label, share (0 to 1 in steps of "
        "1/1000), zone (one of 2 words)"
    )
    results = said(OPEN, "results")
    assert results.form.endswith("time, model, label, score, zone (one of 2 words)")
    assert results.may_send == "yes, with the fields zone, operator"
    assert "operator" not in results.form
    assert said(OPEN, "error logs").form.endswith("; only 2 known words as template")


def test_what_stays_is_told_with_its_time():
    assert said(OPEN, "results").stays == "2 days"
    assert said(OPEN, "alerts").stays == "until the cloud has it, then 24 h"
    assert said(CLOSED, "alerts").stays == "24 h"
    assert said(OPEN, "metrics").stays == "7 days"


def test_aggregates_that_nobody_makes_yet_do_not_leave():
    line = said(OPEN, "metrics")
    assert (line.leaves, line.form) == (False, NO_AGGREGATES)
    assert said(CLOSED, "metrics").form == "nothing"


def test_a_picture_without_its_alert_does_not_leave():
    odd = Contract(version=1, name="x", alert=AlertRule(leaves=False, picture_leaves=True))
    assert not said(odd, "pictures of alerts").leaves


def test_the_summary_names_the_mechanism_of_each_class():
    assert summary(OPEN) == (
        "alert:rows-anonymised result:rows-anonymised metric:aggregate-dp log:rows-anonymised "
        "pictures:yes"
    )
    assert summary(CLOSED) == "alert:none result:none metric:none log:none pictures:no"


def test_every_shipped_contract_can_be_explained():
    catalogue = read_profiles(SHIPPED)
    assert isinstance(catalogue, dict)
    for _, contract in catalogue.values():
        assert len(explain(contract.contract)) == 7


@pytest.mark.parametrize("name", ["contract.yaml", "draft.yaml", "new contract.txt"])
def test_a_contract_of_any_name_can_be_checked(name: str, tmp_path: Path):
    path = tmp_path / "site" / "my-board" / name
    path.parent.mkdir(parents=True)
    path.write_text("version: 1\nname: my-board\n")
    (tmp_path / "site/default-contract.yaml").write_text("version: 1\nlog: {kept_h: 3}\n")
    report = check_contracts(path)
    assert report.findings == []
    (contract,) = report.contracts.values()
    assert contract.contract.log.kept_h == 3


def test_below_an_unusable_default_no_contract_is_judged(tmp_path: Path):
    path = tmp_path / "my-board" / "contract.yaml"
    path.parent.mkdir()
    path.write_text("version: 1\nname: my-board\n")
    (tmp_path / "default-contract.yaml").write_text("version: 1\ncamera: {leaves: true}\n")
    report = check_contracts(path)
    assert [(one.line, one.field) for one in report.findings] == [(2, "camera.leaves")]
    assert report.contracts == {}


def test_a_folder_is_checked_for_its_contracts_alone(tmp_path: Path):
    folder = tmp_path / "my-board"
    folder.mkdir()
    (folder / "contract.yaml").write_text("version: 1\nname: my-board\n")
    (folder / "profile.yaml").write_text("nonsense\n")
    report = check_contracts(tmp_path)
    assert (report.findings, len(report.contracts)) == ([], 1)
    assert report.files == [f"{folder}/contract.yaml"]
