"""The profiles that come with the gateway, and their example messages."""

import json
from pathlib import Path

import msgspec
import pytest

from gateway.fleet.findings import Unusable
from gateway.fleet.folder import Catalogue, check, read_profiles
from gateway.intake.mapped import read_mapped
from gateway.intake.wire import Refusal, Telemetry, Unsequenced, read
from gateway.model.delivery import Delivery
from gateway.model.identity import DeviceId
from gateway.model.profile import Constraints, Hardware, Profile, Security

SHIPPED = Path(__file__).parents[2] / "firmware-profiles"
NAMES = {
    "factory-camera-v2",
    "high-performance-jetson-orin",
    "industrial-din-rail-x86",
    "low-power-pi-zero",
    "micro-edge-esp32",
    "standard-edge-jetson-nano",
    "vehicle-multi-gpu",
    "line-plc",
    "stock-ip-camera",
    "virtual-camera",
}


def shipped() -> Catalogue:
    catalogue = read_profiles(SHIPPED)
    assert not isinstance(catalogue, Unusable), str(catalogue)
    return catalogue


def vectors(kind: str, *, mapped: bool = False) -> list[Path]:
    """The example messages of profiles with a topic map, or of all others."""
    found = sorted(SHIPPED.glob(f"*/vectors/{kind}/*.json"))
    return [path for path in found if ("payload" in json.loads(path.read_text())) is mapped]


def test_every_shipped_profile_is_usable() -> None:
    assert set(shipped()) == NAMES


def test_the_factory_camera_is_what_its_maker_says() -> None:
    profile, _ = shipped()["factory-camera-v2"]
    assert profile == Profile(
        name="factory-camera-v2",
        hardware=Hardware("ARM Cortex-A53 @ 1.5GHz", 4, 2048, "Edge TPU", 16),
        capabilities=("object-detection", "image-classification", "ocr"),
        constraints=Constraints(500, 200, 15),
        security=Security(secure_boot=True, tpm=True),
        trust="attested",
        verifies="tuf-full",
    )


@pytest.mark.parametrize(
    ("name", "ram_mb", "watts"),
    [
        ("micro-edge-esp32", 0.5, 0.5),
        ("low-power-pi-zero", 512, 2),
        ("standard-edge-jetson-nano", 4096, 10),
        ("high-performance-jetson-orin", 32768, 60),
        ("industrial-din-rail-x86", 8192, 50),
        ("vehicle-multi-gpu", 65536, 500),
    ],
)
def test_a_device_class_has_the_memory_and_power_of_its_class(
    name: str, ram_mb: float, watts: float
) -> None:
    profile, _ = shipped()[name]
    assert (profile.hardware.ram_mb, profile.constraints.power_budget_watts) == (ram_mb, watts)


def test_only_the_virtual_camera_lets_rows_and_pictures_out() -> None:
    open_ones = {
        name
        for name, (_, contract) in shipped().items()
        if contract.contract.result.rows_leave
        or contract.contract.alert.picture_leaves
        or any(rule.leaves for rule in contract.contract.fields.values())
    }
    assert open_ones == {"virtual-camera"}


def test_the_check_notes_what_the_virtual_camera_lets_out() -> None:
    notes = {note.field: note.message for note in check(SHIPPED / "virtual-camera").notes}
    assert notes == {
        "metric.mechanism": (  # of the site's default, which is read beside it
            "this release does not make aggregates yet: until one does, nothing of this class "
            "leaves the site"
        ),
        "alert.picture_leaves": (
            "pictures leave the site: make sure that no person can be on them"
        ),
        "result.rows_leave": (
            "every single result leaves the site: this is not differentially private"
        ),
    }


def test_each_profile_has_good_and_bad_vectors() -> None:
    for kind, at_least in (("ok", 2), ("bad", 2)):
        counts = {name: len(list((SHIPPED / name / "vectors" / kind).iterdir())) for name in NAMES}
        assert min(counts.values()) >= at_least, counts


@pytest.mark.parametrize(
    "path", vectors("ok") + vectors("bad"), ids=lambda path: f"{path.parts[-4]}-{path.stem}"
)
def test_a_vector_is_accepted_or_refused_as_it_says(path: Path) -> None:
    vector = json.loads(path.read_text())
    assert set(vector) == {"topic", "envelope", "refused"}
    assert (vector["refused"] is None) == (path.parent.name == "ok")
    _, contract = shipped()[path.parts[-4]]
    payload = json.dumps(vector["envelope"]).encode()
    topic = f"line/cam-01/up/{vector['topic']}"
    delivery = Delivery(topic, payload, retained=False, content_type="", token=(0, 0))
    answer = read(delivery, contract)
    if vector["refused"] is None:
        assert isinstance(answer, Telemetry), answer
    else:
        assert isinstance(answer, Refusal), answer
        assert answer.reason.value == vector["refused"], answer.detail


@pytest.mark.parametrize(
    "path",
    vectors("ok", mapped=True) + vectors("bad", mapped=True),
    ids=lambda path: f"{path.parts[-4]}-{path.stem}",
)
def test_a_vector_of_a_topic_map_becomes_the_items_that_it_says(path: Path) -> None:
    vector = json.loads(path.read_text())
    assert set(vector) == {"topic", "payload", "refused", "items"}
    assert (vector["refused"] is None) == (path.parent.name == "ok")
    profile, contract = shipped()[path.parts[-4]]
    device = DeviceId(vector["topic"].split("/")[1])
    rule = next(one for one in profile.topics if one.of(device) == vector["topic"])
    said = vector["payload"]
    payload = (said if isinstance(said, str) else json.dumps(said)).encode()
    delivery = Delivery(vector["topic"], payload, retained=False, content_type="", token=(0, 0))
    answer = read_mapped(delivery, device, rule, contract, 5)
    if vector["refused"] is None:
        assert isinstance(answer, Unsequenced), answer
        found = json.loads(msgspec.json.encode(answer.message.items))
        given = ("id", "mono_ms")  # by the gateway
        shown = [{k: v for k, v in item.items() if k not in given} for item in found]
        assert shown == vector["items"]
    else:
        assert isinstance(answer, Refusal), answer
        assert answer.reason.value == vector["refused"], answer.detail
