"""Recorded runs of the clients end with the recorded exit codes, files and stacks."""

from __future__ import annotations

import pytest

from asap_ingest.render_ws.client_scripts.run_client import CLIENTS
from tests.render_ws.client_scripts.cases import CASES, ClientReplay, recorded_cases

#: StackClient is not among the recordings. Clients that draw have hundreds of runs, of a second each.
RECORDED = [
    pytest.param(name, marks=[pytest.mark.long] if "Render" in name else [])
    for name in CLIENTS
    if not name.endswith(".StackClient")
]


@pytest.mark.slow
@pytest.mark.skipif(not CASES.exists(), reason="the recordings of the clients are absent")
@pytest.mark.parametrize("class_name", RECORDED, ids=lambda name: name.rpartition(".")[2])
def test_recorded_runs(class_name, server_url, tmp_path):
    cases = recorded_cases(class_name)
    assert cases
    assert ClientReplay(server_url, tmp_path).run(cases) == []
