"""Every way of moving bytes behaves on networks that are bad as it does on the loopback."""

from __future__ import annotations

import pytest

from tests.loopback.relay_bytes import Bytes, Urgent
from tests.loopback.relay_ends import BrokenOff, InOrder, InTime
from tests.loopback.relay_many import Many, NothingLeft
from tests.loopback.relay_pressure import Pressure
from tests.loopback.relay_storm import Storm
from tests.loopback.relay_tls import InTls
from tests.loopback.relaying import Ground


class TestSome:
    """A few behaviours, each of its kind."""

    test_bytes = Bytes.test_bytes_arrive_both_ways_at_once_whatever_the_size_of_the_writes
    test_urgent_bytes = Urgent.test_urgent_bytes_in_bulk_arrive_in_their_places
    test_answer = InOrder.test_the_answer_to_who_says_no_more_arrives_whole
    test_who_closes = InOrder.test_who_closes_leaves_the_other_everything_it_said
    test_reset = BrokenOff.test_a_reset_in_bulk_is_a_reset_for_the_other


@pytest.mark.soak
class TestAll(Bytes, Urgent, InOrder, BrokenOff, InTime, NothingLeft, Pressure, Many, Storm):
    """All, but for how much passes between a question and its answer: some are lost here."""


@pytest.mark.soak
class TestAllInTls(Bytes, InTls):
    """TLS with the client ends at the balancer."""

    @pytest.fixture
    def ground(self, tls_ground: Ground) -> Ground:
        return tls_ground
