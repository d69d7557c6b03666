"""The outbox and the protocol against a model gateway, whatever happens between them."""

import tempfile
from pathlib import Path

from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

from hil.linedevice.payloads import Stream
from tests.support.line_rig import WINDOW, Rig

STREAMS = st.sampled_from(list(Stream))
ROOM = 40


class Line(RuleBasedStateMachine):
    """The rig itself checks, at each step, that nothing is freed that is not safe."""

    @initialize()
    def start(self):
        self.folder = tempfile.TemporaryDirectory()
        self.rig = Rig(Path(self.folder.name), max_messages=ROOM)
        self.copy = Path(self.folder.name) / "copy.db"
        self.owed: set[int] = set()
        self.rig.connect()

    def teardown(self):
        if not hasattr(self, "rig"):
            return
        with self.folder:
            try:
                self.heal()
            finally:
                self.rig.outbox.close()

    def heal(self):
        """Everything works again: what was put is safe, the marks stand at the end, in order."""
        rig = self.rig
        rig.connect()
        rig.settle()
        assert self.owed <= rig.stored()
        last, epoch = rig.outbox.last(), rig.gateway.epochs[rig.outbox.epoch]
        assert epoch.marks == {"alert": last.alert, "data": last.data}
        for numbered in rig.gateway.epochs.values():
            for stream in ("alert", "data"):
                names = [n for key, n in sorted(numbered.stored.items()) if key[0] == stream]
                assert names == sorted(names)

    @rule(stream=STREAMS, count=st.integers(1, 12))
    def put(self, stream, count):
        before, names = self.rig.waiting(), self.rig.put(stream, count)
        self.owed |= set(names)
        after = self.rig.waiting()
        gone = {*before[Stream.ALERT], *before[Stream.DATA], *names}
        gone -= {*after[Stream.ALERT], *after[Stream.DATA]}
        alerts = set(before[Stream.ALERT]) | (set(names) if stream is Stream.ALERT else set())
        if gone & alerts:
            assert not after[Stream.DATA], "an alert was dropped while data was left"
        self.owed -= gone

    @rule()
    def everything_moves_once(self):
        self.rig.move()

    @rule()
    def publish(self):
        self.rig.publish()

    @precondition(lambda self: self.rig.up)
    @rule(count=st.integers(1, 6))
    def gateway_reads(self, count):
        for _ in range(min(count, len(self.rig.up))):
            self.rig.gateway_reads()

    @precondition(lambda self: self.rig.down)
    @rule(count=st.integers(1, 6))
    def device_hears(self, count):
        for _ in range(min(count, len(self.rig.down))):
            self.rig.device_hears()

    @rule(seconds=st.sampled_from([0.6, 2.0, 40.0]))
    def time_passes(self, seconds):
        self.rig.tick(seconds)

    # Not while a rolled-back device shows what it has: a second fault at that moment may hide
    # the first (docs/device-protocol.md, "Limits").
    @precondition(lambda self: self.rig.up and not self.rig.contested())
    @rule(first=st.integers(0, 5), count=st.integers(1, 5))
    def the_broker_drops_messages(self, first, count):
        for _ in range(min(count, len(self.rig.up) - first)):
            del self.rig.up[first]

    @precondition(lambda self: self.rig.down)
    @rule(where=st.integers(0, 5))
    def a_receipt_is_lost(self, where):
        del self.rig.down[where % len(self.rig.down)]

    @rule(broker_restarts=st.booleans())
    def the_connection_breaks(self, broker_restarts):
        if broker_restarts:
            self.rig.up.clear()
        self.rig.lose_connection()
        self.rig.connect()

    @rule(seconds=st.integers(0, 90))
    def the_gateway_is_away(self, seconds):
        self.rig.gateway_listens = False
        self.rig.publish()
        self.rig.tick(seconds)
        self.rig.publish()
        self.rig.gateway_listens = True

    @rule(seconds=st.integers(0, 90))
    def the_gateway_pauses_data(self, seconds):
        self.rig.gateway.paused = True
        self.rig.move()
        self.rig.tick(seconds)
        self.rig.move()
        self.rig.gateway.paused = False

    @rule()
    def the_power_is_cut(self):
        self.rig.power_cut()
        self.rig.connect()

    @rule()
    def the_storage_is_backed_up(self):
        self.rig.back_up(self.copy)

    @precondition(lambda self: self.copy.exists())
    @rule(alerts=st.integers(0, 4), data=st.integers(0, 4))
    def the_storage_is_rolled_back(self, alerts, data):
        """... and the device fills the numbers that the gateway has, before it connects."""
        self.rig.roll_back(self.copy)
        waiting = self.rig.waiting()
        kept = {*waiting[Stream.ALERT], *waiting[Stream.DATA]}
        self.owed = {name for name in self.owed if name in kept or name in self.rig.stored()}
        self.put(Stream.ALERT, alerts)
        self.put(Stream.DATA, data)
        self.rig.connect()

    @invariant()
    def no_more_than_the_window_lacks_a_receipt(self):
        if hasattr(self, "rig"):
            flying = self.rig.in_flight()
            assert len(flying) <= WINDOW
            assert len([key for key in flying if key[0] is Stream.DATA]) <= WINDOW * 4 // 5


TestLine = Line.TestCase
TestLine.settings = settings(
    max_examples=60,
    stateful_step_count=60,
    deadline=None,
    phases=set(Phase) - {Phase.explain},  # it traces every line, which takes ten times as long
)
