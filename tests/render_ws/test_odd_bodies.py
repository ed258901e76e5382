"""Whatever a body holds, the answer is one that is described, in one line, and the service goes on."""

from __future__ import annotations

from collections.abc import Iterator
from html import unescape

import pytest
import requests
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.examples import examples
from tests.render_ws.described import KNOWN, OPERATIONS, prepare, serving_a_picture
from tests.render_ws.odd_values import bodies
from tests.render_ws.reasons import is_excused

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore:Generating overly large repr")]
EXAMPLES = 20
STACK = "/render-ws/v1/owner/o/project/p/stack/s"
#: What may be asked of a stack that took an odd body.
READS = (
    *("", "/tileIds?matchPattern=.", "/layoutFile", "/mergeableData", "/tile/a/render-parameters"),
    *("/z/1.0/resolvedTiles", "/z/1.0/render-parameters", "/z/1.0/tileBounds", "/z/1.0/last-tile-transforms"),
    *("/tile/a/png-image", "/z/1.0/box/0,0,40,30,0.5/jpeg-image", "/z/1.0/world-to-local-coordinates/5,5"),
    *("/tile/a/validation-info", "/defaultChannel", "/materializedBoxRootPath", "/mipmapPathBuilder"),
)
WITH_BODY = {label: found for label, found in OPERATIONS.items() if "requestBody" in found.definition.raw}


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str]]:
    with serving_a_picture(tmp_path_factory.mktemp("odd_bodies")) as found:
        yield found


@pytest.mark.nightly
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
        max_examples=examples(EXAMPLES),
        derandomize=True,
        database=None,
        deadline=None,
        phases=(Phase.generate,),
        suppress_health_check=list(HealthCheck),
    )
    @given(body=bodies(content["schema"]), derive=st.booleans(), read=st.sampled_from(READS))
    def ask(body: bytes, derive: bool, read: str) -> None:
        headers = {"Content-Type": media_type}
        query = {"deriveData": "true"} if derive else {}
        method = operation.method.upper()
        answer = session.request(method, target, params=query, data=body, headers=headers, timeout=10)
        assert str(answer.status_code) in described, (answer.status_code, answer.text[:300])
        check_text(label, answer)
        if answer.status_code < 300 and "/stack/" in label:
            check_text(f"GET {read}", session.get(f"{url}{STACK}{read}", timeout=10))

    ask()
    session.close()


def check_text(label: str, answer: requests.Response) -> None:
    """A refusal says why in one line, and a fault is one that there is a reason for."""
    assert answer.status_code < 500 or is_excused(label, answer.text), answer.text[:300]
    if answer.status_code in (400, 500):
        told = unescape(answer.text).removesuffix("\n")
        assert told.isprintable(), told
        assert 0 < len(told) < 700, told
