"""`/metrics`: requests, times and caches in Prometheus' text format."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import tifffile
from prometheus_client.parser import text_string_to_metric_families

from asap_ingest.render_ws.memory.bounded_cache import BoundedCache, CacheState
from asap_ingest.render_ws.memory.limits import Limits
from tests.render_ws.client import StackClient, tile
from tests.render_ws.conftest import serving
from tests.render_ws.golden import send

STACK = "/render-ws/v1/owner/{owner}/project/{project}/stack/{stack}"
Labels = tuple[str, ...]


def metrics(url: str) -> dict[str, dict[Labels, float]]:
    """Values by the name of the sample and the values of its labels, these in the order of their names."""
    answer = send(url, "GET", "/metrics", {"Accept": "application/openmetrics-text,text/plain;q=0.5"}, None)
    assert answer.status == 200
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert answer.headers["cache-control"] == "no-store"
    found: dict[str, dict[Labels, float]] = {}
    for family in text_string_to_metric_families(answer.body.decode()):
        for sample in family.samples:
            labels = tuple(sample.labels[name] for name in sorted(sample.labels))
            found.setdefault(sample.name, {})[labels] = sample.value
    return found


def requests(url: str) -> dict[Labels, float]:
    """How many requests by method, route and status, those of `/metrics` itself left out."""
    counted = metrics(url).get("asap_ingest_requests_total", {})
    return {labels: value for labels, value in counted.items() if labels[1] != "/metrics"}


def test_requests_are_counted_by_the_template_of_their_path(empty_server_url: str) -> None:
    for name in ("s1", "s2"):
        StackClient(empty_server_url, name).create()
    for name in ("s1", "s2", "s3"):
        StackClient(empty_server_url, name).ask("GET")
    StackClient(empty_server_url, "s1").ask("HEAD", "/z/1.0/bounds")
    assert requests(empty_server_url) == {
        ("POST", STACK, "201"): 2,
        ("GET", STACK, "200"): 2,
        ("GET", STACK, "404"): 1,
        ("HEAD", f"{STACK}/z/{{z}}/bounds", "400"): 1,
    }


def test_the_times_of_requests_are_summed_in_buckets(empty_server_url: str) -> None:
    for _ in range(3):
        assert send(empty_server_url, "GET", "/health", {}, None).status == 200
    found = metrics(empty_server_url)
    asked = ("GET", "/health")
    assert found["asap_ingest_request_seconds_count"][asked] == 3
    assert 0 < found["asap_ingest_request_seconds_sum"][asked] < 60
    assert found["asap_ingest_request_seconds_bucket"][("+Inf", *asked)] == 3


def test_what_no_route_answers_is_counted_under_few_labels(empty_server_url: str) -> None:
    for method in ("PROPFIND", "MKCOL", "LOCK", "SEARCH", "LINK"):
        assert send(empty_server_url, "GET", f"/no/such/{method}", {}, None).status == 404
        assert send(empty_server_url, method, "/health", {}, None).status == 405
    assert send(empty_server_url, "GET", "/a//b", {}, None).status == 400
    assert send(empty_server_url, "GET", "/health", {"Host": "elsewhere.example"}, None).status == 403
    assert requests(empty_server_url) == {
        ("GET", "other", "404"): 5,
        ("other", "/health", "405"): 5,
        ("GET", "other", "400"): 1,
        ("GET", "other", "403"): 1,
    }


def test_refused_bodies_are_counted_by_the_status_that_they_got(empty_server_url: str) -> None:
    stack = StackClient(empty_server_url, "s").create()
    assert stack.status("PUT", "/resolvedTiles", b"no json") == 400
    assert requests(empty_server_url)["PUT", f"{STACK}/resolvedTiles", "400"] == 1


def test_services_of_one_process_count_apart(empty_server_url: str, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    with serving(tmp_path / "other") as other_url:
        send(other_url, "GET", "/health", {}, None)
        assert requests(empty_server_url) == {}
        assert requests(other_url) == {("GET", "/health", "200"): 1}


def test_caches_tell_what_they_hold_and_how_often_that_was_of_use(tmp_path: Path) -> None:
    image = tmp_path / "tile.tif"
    tifffile.imwrite(image, np.zeros((80, 100), np.uint8))
    room = 20_000
    with serving(tmp_path, limits=Limits(image_cache_bytes=room)) as url:
        assert metrics(url)["asap_ingest_cache_bytes"][("images",)] == 0
        levels = {"mipmapLevels": {"0": {"imageUrl": image.as_uri()}}}
        stack = StackClient(url, "s").create(tile("a", **levels), state="COMPLETE")
        for _ in range(3):
            assert stack.status("GET", "/z/1.0/box/0,0,100,80,1.0/png-image") == 200
        found = metrics(url)
        assert found["asap_ingest_cache_bytes"][("images",)] == 80 * 100
        assert found["asap_ingest_cache_room_bytes"][("images",)] == room
        assert found["asap_ingest_cache_misses_total"][("images",)] == 1
        assert found["asap_ingest_cache_hits_total"][("images",)] == 2
        assert found["asap_ingest_cache_misses_total"][("layers",)] == 1
        assert found["asap_ingest_cache_hits_total"][("layers",)] == 2
        assert ("transforms",) in found["asap_ingest_cache_bytes"]


def test_the_process_tells_its_memory_and_open_files(server_url: str) -> None:
    found = metrics(server_url)
    assert found["process_resident_memory_bytes"][()] > 2**20
    assert found["process_open_fds"][()] > 1


def test_a_cache_counts_what_gave_way() -> None:
    cache = BoundedCache[str](10)
    cache.keep("a", "first", 6)
    assert cache.get("a") == "first"
    cache.keep("b", "second", 6)
    assert cache.get("a") is None
    assert cache.get("a", again=True) is None
    assert cache.state == CacheState(hits=1, misses=1, evictions=1, bytes=6, room_bytes=10)
