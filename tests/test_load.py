"""The load script against a real service, for seconds: no request fails, and nothing is left."""

from __future__ import annotations

import re
import resource
from pathlib import Path

import pytest

from benchmarks import load


@pytest.mark.long
@pytest.mark.slow
def test_a_short_load_has_no_errors(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    output = tmp_path / "LOAD.md"
    amounts = ["--seconds", "1", "--clients", "10", "--idle", "50", "--requests", "100"]
    try:
        code = load.main([*amounts, "--output", str(output)])
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
    text = output.read_text()
    assert code == 0, text
    assert capsys.readouterr().out == text
    assert len(re.findall(r"\d+ answers, 0 errors", text)) == 3
    assert "the service kept" in text
    assert "after 100 more requests" in text
    for kind in load.KINDS:
        assert re.search(rf"\| {kind}, 10 clients \| {load.BEFORE[kind]} ms \| \d+ ms \| \d+ ms \|", text)
