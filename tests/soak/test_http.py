"""Five kills each; `make soak` does two hundred."""

from __future__ import annotations

import pytest

from tests.soak.soak_http import kill_publisher, kill_server

KILLS = 5


@pytest.mark.slow
def test_the_publisher_is_killed_and_nothing_acknowledged_is_lost_or_doubled() -> None:
    outcome = kill_publisher(kills=KILLS, seed=0)

    assert outcome.is_good, outcome


@pytest.mark.slow
def test_the_server_is_killed_and_nothing_acknowledged_is_lost_or_doubled() -> None:
    outcome = kill_server(kills=KILLS, seed=0)

    assert outcome.is_good, outcome
