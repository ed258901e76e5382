"""Whatever a body holds, the answer is one that is described, in one line, and the service goes on."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import requests
from hypothesis import HealthCheck, Phase, given, settings

from tests.render_ws.described import KNOWN, OPERATIONS, prepare, serving_a_picture
from tests.render_ws.odd_values import bodies
from tests.render_ws.reasons import is_excused

pytestmark = pytest.mark.slow
EXAMPLES = 30
WITH_BODY = {label: found for label, found in OPERATIONS.items() if "requestBody" in found.definition.raw}


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str]]:
    with serving_a_picture(tmp_path_factory.mktemp("odd_bodies")) as found:
        yield found


@pytest.mark.parametrize("label", WITH_BODY)
def test_odd_bodies_get_described_answers(label: str, service: tuple[str, str]) -> None:
    operation, (url, picture) = WITH_BODY[label], service
    described = operation.definition.raw["responses"]
    ((media_type, content),) = operation.definition.raw["requestBody"]["content"].items()
    prepare(url, picture, operation.method.upper())
    names = {"state": "LOADING", "target": "x", **{name: str(value) for name, value in KNOWN.items()}}
    target = f"{url}/render-ws{operation.path.format_map(names)}"
    session = requests.Session()

    @settings(
        max_examples=EXAMPLES,
        derandomize=True,
        database=None,
        deadline=None,
        phases=(Phase.generate,),
        suppress_health_check=list(HealthCheck),
    )
    @given(body=bodies(content["schema"]))
    def ask(body: bytes) -> None:
        headers = {"Content-Type": media_type}
        answer = session.request(operation.method.upper(), target, data=body, headers=headers, timeout=10)
        assert str(answer.status_code) in described, (answer.status_code, answer.text[:300])
        if answer.status_code >= 400:
            assert answer.status_code < 500 or is_excused(label, answer.text), answer.text[:300]
            assert answer.text, "a refusal says why"
            assert "\n" not in answer.text.removesuffix("\n")
            assert len(answer.text) < 1000, answer.text[:300]

    ask()
    session.close()
