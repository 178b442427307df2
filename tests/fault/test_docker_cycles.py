"""200 create and delete cycles on real Docker behind the proxy that fails on purpose, the server killed at random moments."""

import os

import pytest

from churn import Churn, wish_is_reality
from workspaced import POSTGRES

MINUTES = float(os.environ.get("WORKSPACED_SOAK_MINUTES", 0))  # ./dev soak
CYCLES = {"sqlite": 150, "postgres": 50 if POSTGRES else 0}
RATE = 0.08
pytestmark = pytest.mark.timeout(600 + MINUTES * 60)


@pytest.mark.parametrize("kind", [kind for kind, cycles in CYCLES.items() if cycles])
def test_cycles(faulty_server, docker_proxy, docker, seed, kind):
    server = faulty_server(kind)
    docker_proxy.plan(seed, rate=RATE)
    how_long = {"seconds": MINUTES * 60 / len(CYCLES)} if MINUTES else {"cycles": CYCLES[kind]}
    churn = Churn(server, seed, **how_long).run()
    faults = sum(1 for call in docker_proxy.calls if call.fault)
    calls = len(docker_proxy.calls)
    docker_proxy.calm()
    took = wish_is_reality(docker, server)
    print(f"{kind}: {churn.summary()}; {faults} of {calls} engine calls failed; settled after {took:.1f} s")
    live = {one["id"] for one in server.get("/workspaces").json()}
    assert churn.kept <= live
    assert churn.kills > 0 and faults > 0
