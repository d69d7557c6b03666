"""The role of a device with a topic map: its own topics beside those of the protocol."""

from gateway.broker.roles import document, full_role, mapped_role, quarantine_role
from gateway.model.access import Access
from gateway.model.identity import DeviceId

CAM = DeviceId("cam-01")
TOPIC = "cam/cam-01/alarm"


def test_a_map_adds_its_topics_and_takes_nothing_away():
    added = [
        rule for rule in mapped_role(CAM, [TOPIC])["acls"] if rule not in full_role(CAM)["acls"]
    ]
    assert added == [{"acltype": "publishClientSend", "topic": TOPIC, "priority": 0, "allow": True}]
    assert mapped_role(CAM, ()) == full_role(CAM)


def test_a_device_in_quarantine_may_not_use_its_map():
    whole = document(
        {CAM: Access.QUARANTINED}, password="p" * 64, salt=b"twelve bytes", topics=lambda _: [TOPIC]
    )
    roles = {role["rolename"]: role for role in whole["roles"]}
    assert roles["quarantined-cam-01"] == quarantine_role(CAM)
    assert roles["device-cam-01"] == mapped_role(CAM, [TOPIC])
