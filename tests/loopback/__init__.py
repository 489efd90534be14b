"""Tests on real sockets of the loopback."""

import pytest

for each in ("bytes", "ends", "many", "pressure", "storm", "tls"):
    pytest.register_assert_rewrite(f"tests.loopback.relay_{each}")
