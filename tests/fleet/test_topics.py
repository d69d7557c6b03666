"""Mistakes in a topic map: each is named with line and field, and none reaches the broker."""

from pathlib import Path

import pytest

from gateway.fleet.findings import Unusable
from gateway.fleet.folder import check
from gateway.fleet.profile import parse_profile, profile_notes
from gateway.model.profile import Profile

HEAD = """\
name: my-cam
hardware: {cpu: x, cores: 1, ram_mb: 64, accelerator: null, storage_gb: 1}
capabilities: [motion]
constraints: {max_model_size_mb: 1, max_inference_time_ms: 9, power_budget_watts: 9}
security: {secure_boot: false, tpm: false}
trust: key-only
verifies: none
"""
MAP = """\
topics:
  - topic: cam/{id}/alarm
    payload: json
    when:
      path: $.active
      equals: true
    severities:
      HIGH: critical
    alert:
      kind: motion
      severity: $.level
      label: $.zone.name
      score: $.scores.0
  - topic: cam/{id}/log
    payload: text
    log:
      severity: info
      template: camera-log
      message: $
"""
CONTRACT = "version: 1\nname: my-cam\nfields: {zone: {type: string, items: [alert]}}\n"
FIRST = HEAD.count("\n")


def wrong(text: str) -> list[str]:
    result = parse_profile(text, "p")
    assert isinstance(result, Unusable), result
    return [str(finding).removeprefix("p:") for finding in result.findings]


def test_a_good_topic_map_is_read_and_its_weaker_promise_noted() -> None:
    profile = parse_profile(HEAD + MAP, "p")
    assert isinstance(profile, Profile), str(profile)
    alarm, log = profile.topics
    assert (alarm.of("cam-01"), alarm.topic_filter) == ("cam/cam-01/alarm", "cam/+/alarm")
    assert [kind for kind, _ in (*alarm.blocks(), *log.blocks())] == ["alert", "log"]
    notes = {note.field: note.message for note in profile_notes(HEAD + MAP, "p")}
    assert notes["topics"].startswith("what its devices send is numbered by the gateway and never")


@pytest.mark.parametrize(
    ("line", "instead", "field", "finding"),
    [
        ("cam/{id}/alarm", "cam/alarm", "topics[0].topic", "expected {id} as one whole level"),
        ("cam/{id}/alarm", "'{id}/alarm'", "topics[0].topic", "expected {id} as one whole level"),
        ("cam/{id}/alarm", "cam/x{id}/alarm", "topics[0].topic", "expected {id} as one whole"),
        ("cam/{id}/alarm", "cam/{id}/{id}", "topics[0].topic", "expected {id} as one whole level"),
        ("cam/{id}/alarm", "cam/{id}/+", "topics[0].topic", "expected 2 to 8 levels"),
        ("cam/{id}/alarm", "cam/{id}/#", "topics[0].topic", "expected 2 to 8 levels"),
        ("cam/{id}/alarm", "$SYS/{id}/x", "topics[0].topic", "expected 2 to 8 levels"),
        ("cam/{id}/alarm", "cam//{id}", "topics[0].topic", "expected 2 to 8 levels"),
        ("cam/{id}/alarm", "line/{id}/up/alert", "topics[0].topic", "a first level other than"),
        ("cam/{id}/alarm", "cam/{id}/log", "topics[1].topic", "expected each topic once"),
        ("severity: $.level", "severity: HIGH", "topics[0].alert.severity", "expected one of cri"),
        ("severity: info", "severity: minor", "topics[1].log.severity", "expected one of error"),
        ("HIGH: critical", "HIGH: error", "topics[0].severities.HIGH", "expected one of critical"),
        ("score: $.scores.0", "score: 1.5", "topics[0].alert.score", "expected a score from 0"),
        ("score: $.scores.0", "score: high", "topics[0].alert.score", "expected a number or a pa"),
        ("score: $.scores.0", "score: $.a..b", "topics[0].alert.score", "expected '$' and up to"),
        ("path: $.active", "path: active", "topics[0].when.path", "expected '$' and up to 8 step"),
        ("message: $", "message: $.text", "topics[1].log.message", "expected '$' for a text payl"),
        ("template: camera-log", "template: $", "topics[1].log.template", "expected a constant"),
        (
            "    log:",
            "    metrics: [{name: x, value: $}]\n    log:",
            "topics[1]",
            "expected one of",
        ),
        ("      kind: motion\n", "", "topics[0].alert.kind", "expected text of 1 to 256"),
        ("payload: json", "payload: xml", "topics[0].payload", "expected json or text"),
    ],
)
def test_a_mistake_in_a_map_is_found_on_its_line(
    line: str, instead: str, field: str, finding: str
) -> None:
    assert MAP.count(line) == 1
    found = wrong(HEAD + MAP.replace(line, instead))
    assert any(f": {field}: " in one and finding in one for one in found), found


def test_a_finding_names_the_line_of_the_entry() -> None:
    (found,) = wrong(HEAD + MAP.replace("$.scores.0", "2"))
    assert found.startswith(f"{FIRST + 13}: topics[0].alert.score: ")


def test_a_device_with_a_map_cannot_be_attested() -> None:
    text = HEAD.replace("key-only", "attested").replace("tpm: false", "tpm: true") + MAP
    (found,) = wrong(text)
    assert "expected key-only beside topics" in found


def test_silence_is_watched_only_where_a_map_makes_it_necessary() -> None:
    (found,) = wrong(HEAD + "silent_after_s: 60\n")
    assert "silent_after_s: expected topics beside it" in found
    assert isinstance(parse_profile(HEAD + MAP + "silent_after_s: 60\n", "p"), Profile)


def folder(at: Path, name: str, topics: str, contract: str = CONTRACT) -> None:
    (at / name).mkdir()
    (at / name / "profile.yaml").write_text(HEAD.replace("my-cam", name) + topics)
    (at / name / "contract.yaml").write_text(contract.replace("my-cam", name))


def test_a_field_that_the_contract_would_refuse_is_found_before_it_runs(tmp_path: Path) -> None:
    fields = "      fields: {zone: 5, operator: $.who}\n"
    folder(tmp_path, "my-cam", MAP.replace("      kind: motion\n", "      kind: m\n" + fields))
    found = {one.field: one.message for one in check(tmp_path).findings}
    assert found == {
        "topics[0].alert.fields.operator": (
            "expected a field that contract.yaml declares for alert items, got 'operator': "
            "declare it there, or remove it here"
        ),
        "topics[0].alert.fields.zone": ("expected a string, as contract.yaml says: correct one"),
    }


def test_a_topic_that_could_be_two_devices_is_refused(tmp_path: Path) -> None:
    """Device 'x' of one profile could else speak as device 'cam-01' of the other."""
    entry = "topics:\n  - topic: {}\n    payload: text\n    metrics: [{{name: t, value: $}}]\n"
    folder(tmp_path, "one", entry.format("a/{id}/x"))
    folder(tmp_path, "two", entry.format("a/x/{id}"))
    folder(tmp_path, "three", entry.format("b/x/{id}"))
    (found,) = check(tmp_path).findings
    assert (found.field, "names one device only" in found.message) == ("topics[0].topic", True)
    assert "two/profile.yaml" in found.file
