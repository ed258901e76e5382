"""Requests made up from the OpenAPI description: no answer is a fault, none is one that is not described."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import requests
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.examples import examples
from tests.render_ws.described import KNOWN, OPERATIONS, prepare, serving_a_picture
from tests.render_ws.reasons import is_excused

pytestmark = [pytest.mark.slow, pytest.mark.nightly]
EXAMPLES = 8


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str]]:
    with serving_a_picture(tmp_path_factory.mktemp("made_up")) as found:
        yield found


@pytest.mark.parametrize("label", OPERATIONS)
def test_made_up_requests_get_described_answers(label: str, service: tuple[str, str]) -> None:
    operation, (url, picture) = OPERATIONS[label], service
    prepare(url, picture, operation.method.upper())
    session = requests.Session()

    @settings(
        max_examples=examples(EXAMPLES),
        derandomize=True,
        database=None,
        deadline=None,
        phases=(Phase.explicit, Phase.generate),
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy(), known=st.sets(st.sampled_from([*KNOWN, *["all"] * 20])))
    def ask(case: Any, known: set[str]) -> None:
        names = KNOWN if "all" in known or not known else {name: KNOWN[name] for name in known}
        if case.path_parameters:
            changed = {key: names.get(key, value) for key, value in case.path_parameters.items()}
            case.path_parameters.update(changed)
        response = case.call(base_url=f"{url}/render-ws", session=session, timeout=30, allow_redirects=False)
        described = operation.definition.raw["responses"]
        assert str(response.status_code) in described, (response.status_code, response.content[:300])
        assert response.status_code != 500 or is_excused(label, response.text), response.text[:500]
        assert response.status_code < 400 or not response.headers.get("content-type", ["x"])[0].startswith(
            "image/"
        )

    ask()
    session.close()
