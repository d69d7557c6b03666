"""Who was heard lately, by the device's own word and by what it sends."""

from typing import Literal

from gateway.fleet.presence import Heard, Presence
from gateway.model.identity import DeviceId
from gateway.model.status import DeviceStatus, Last
from gateway.model.time import SiteTime

CAM = DeviceId("cam-01")


def status(state: Literal["online", "offline"]) -> DeviceStatus:
    return DeviceStatus(
        v=1,
        state=state,
        profile="p",
        agent="a",
        boot="b",
        synced=True,
        last=Last(epoch=1, alert=0, data=0),
    )


def test_a_device_that_never_spoke_was_never_seen():
    assert Presence().of(CAM) == Heard(None, None)
    assert Presence().of(CAM).state == "never-seen"


def test_a_device_is_online_by_its_own_word_and_offline_by_its_last_will():
    presence = Presence()
    presence.said(CAM, status("online"), SiteTime(5), live=True)
    assert (presence.of(CAM).state, presence.of(CAM).at) == ("online", 5)
    presence.said(CAM, status("offline"), SiteTime(9), live=True)
    assert (presence.of(CAM).state, presence.of(CAM).at) == ("offline", 5)


def test_a_status_that_the_broker_had_kept_tells_the_state_but_not_when():
    presence = Presence()
    presence.said(CAM, status("online"), SiteTime(5), live=False)
    assert (presence.of(CAM).state, presence.of(CAM).at) == ("online", None)


def test_what_a_device_sends_tells_when_but_not_its_state():
    presence = Presence()
    presence.seen(CAM, SiteTime(5))
    assert (presence.of(CAM).state, presence.of(CAM).at) == ("offline", 5)
    presence.said(CAM, status("online"), SiteTime(6), live=True)
    presence.seen(CAM, SiteTime(7))
    assert (presence.of(CAM).state, presence.of(CAM).at) == ("online", 7)
    assert presence.of(DeviceId("cam-02")).state == "never-seen"


def test_after_a_broker_restart_nobody_is_online_until_they_say_so_again():
    """The restarted broker has neither the last will of a dead device nor its status."""
    presence = Presence()
    presence.said(CAM, status("online"), SiteTime(5), live=True)
    presence.doubt()
    assert (presence.of(CAM).state, presence.of(CAM).at) == ("offline", 5)
    assert presence.silent() == [CAM]
    presence.said(CAM, status("online"), SiteTime(9), live=True)
    assert presence.silent() == []


def test_a_device_that_was_never_heard_is_not_called_silent():
    assert Presence().silent() == []
