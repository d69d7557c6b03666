"""Who may say and hear what: each device below its own branch, and nothing by default."""

import base64
import hashlib
from typing import Any

import pytest

from gateway.broker.roles import GATEWAY, client, document, full_role, password_fields
from gateway.broker.roles import quarantine_role as quarantine
from gateway.model.access import Access
from gateway.model.identity import DeviceId

CAM, PRESS = DeviceId("cam-01"), DeviceId("press-07")
SALT = b"twelve bytes"


def whole(**access: Access) -> dict[str, Any]:
    devices = {DeviceId(name.replace("_", "-")): one for name, one in access.items()}
    return document(devices, password="p" * 64, salt=SALT)


def allowed(role: dict[str, Any]) -> set[tuple[str, str]]:
    assert {rule["allow"] for rule in role["acls"]} == {True}
    return {(rule["acltype"], rule["topic"]) for rule in role["acls"]}


def test_a_device_that_takes_part_speaks_on_its_own_topics_and_hears_its_own_branch_only():
    channels = ("alert", "data", "evidence", "infer", "status", "update")
    assert allowed(full_role(CAM)) == {
        *(("publishClientSend", f"line/cam-01/up/{channel}") for channel in channels),
        ("subscribePattern", "line/cam-01/down/#"),
        ("publishClientReceive", "line/cam-01/down/#"),
    }


def test_a_quarantined_device_may_only_prove_itself():
    assert allowed(quarantine(CAM)) == {
        ("publishClientSend", "line/cam-01/up/status"),
        ("publishClientSend", "line/cam-01/up/evidence"),
        ("subscribePattern", "line/cam-01/down/challenge"),
        ("publishClientReceive", "line/cam-01/down/challenge"),
        ("subscribePattern", "line/cam-01/down/access"),
        ("publishClientReceive", "line/cam-01/down/access"),
    }


@pytest.mark.parametrize(
    ("access", "roles"),
    [
        (Access.ADMITTED, ["device-cam-01"]),
        (Access.PROVISIONAL, ["device-cam-01"]),
        (Access.QUARANTINED, ["quarantined-cam-01"]),
        (Access.REVOKED, []),
    ],
)
def test_a_device_has_the_one_role_that_its_access_gives(access: Access, roles: list[str]):
    assert client(CAM, access) == {
        "username": "cam-01",
        "roles": [{"rolename": name} for name in roles],
    }


def test_nothing_is_allowed_by_default():
    assert whole()["defaultACLAccess"] == {
        "publishClientSend": False,
        "publishClientReceive": False,
        "subscribe": False,
        "unsubscribe": True,
    }


def test_each_device_has_two_roles_of_its_own_whatever_it_may_do_now():
    found = whole(cam_01=Access.REVOKED, press_07=Access.ADMITTED)
    assert {role["rolename"] for role in found["roles"]} == {
        *(GATEWAY, "device-cam-01", "quarantined-cam-01", "device-press-07"),
        "quarantined-press-07",
    }
    clients = {one["username"]: one["roles"] for one in found["clients"]}
    assert clients["cam-01"] == []
    assert clients["press-07"] == [{"rolename": "device-press-07"}]


def test_no_topic_of_a_device_is_open_to_another():
    found = whole(cam_01=Access.ADMITTED, press_07=Access.ADMITTED)
    for role in found["roles"]:
        if role["rolename"] != GATEWAY:
            owner = role["rolename"].split("-", 1)[1]
            assert {topic.split("/")[1] for _, topic in allowed(role)} == {owner}


def test_the_gateway_hears_everything_and_the_plugins_topics_too():
    own = next(role for role in whole()["roles"] if role["rolename"] == GATEWAY)
    topics = {"#", "$CONTROL/dynamic-security/#", "$SYS/#"}
    assert allowed(own) == {
        (kind, topic)
        for kind in ("publishClientSend", "subscribePattern", "publishClientReceive")
        for topic in topics
    }


def test_only_the_gateway_has_a_password_and_it_does_not_stand_in_the_document():
    found = whole(cam_01=Access.ADMITTED)
    with_password = [one["username"] for one in found["clients"] if "password" in one]
    assert with_password == [GATEWAY]
    assert "p" * 64 not in repr(found)


def test_a_password_is_stored_as_the_plugin_checks_it():
    found = password_fields("secret", SALT)
    expected = hashlib.pbkdf2_hmac("sha512", b"secret", SALT, 101, 64)
    assert base64.b64decode(found["password"]) == expected
    assert base64.b64decode(found["salt"]) == SALT
    assert found["iterations"] == 101
