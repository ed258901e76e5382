"""Every key falls to exactly one shard, on every machine the same, and no shard has too much."""

import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asap_ingest.errors import ParameterError
from asap_ingest.execution.work_shards import Shard
from tests.test_schemas import parse


def takers(key, count):
    return [number for number in range(1, count + 1) if Shard(number, count).takes(key)]


@given(st.text(), st.integers(1, 70))
def test_every_key_falls_to_exactly_one_shard(key, count):
    assert len(takers(key, count)) == 1


@given(st.integers(2, 64), st.integers(0, 999), st.sampled_from(["tif", "png"]))
def test_no_shard_of_a_section_has_too_much(count, section, extension):
    keys = [
        f"file:///data/em/{section:06}/0/{section:06}_{column}_{row}.{extension}"
        for column in range(80)
        for row in range(80)
    ]
    share = len(keys) / count
    loads = [sum(map(Shard(number, count).takes, keys)) for number in (1, count)]
    assert all(0.4 * share < load < 1.8 * share for load in loads)


def test_the_shard_of_a_key_is_the_same_everywhere():
    # a change would have a resumed array job do other images than it began with
    keys = ["file:///data/a.tif", "s3://bucket/b.tif", "", "µ"]
    assert [takers(key, 8) for key in keys] == [[2], [6], [1], [1]]
    program = (
        "from asap_ingest.execution.work_shards import Shard; "
        f"print([Shard(2, 8).takes(k) for k in {keys!r}])"
    )
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert ran.stdout == "[True, False, False, False]\n"


def test_one_of_one_takes_all():
    assert Shard.parse("1/1").takes("anything")


@pytest.mark.parametrize("text", ["2/8", " 2 / 8 ", "02/08"])
def test_text_is_read(text):
    shard = Shard.parse(text)
    assert shard == Shard(2, 8)
    assert str(shard) == "2/8"


@pytest.mark.parametrize(
    "text", ["1", "a/b", "", "1/2/3", "-1/3", "1/-3", "1.0/2", "/3", "²/3", "1/9999999999"]
)
def test_what_is_no_shard_is_refused(text):
    with pytest.raises(ParameterError, match="must be i/n, like 2/8") as refused:
        Shard.parse(text)
    assert refused.value.field == "shard"


@pytest.mark.parametrize("text", ["0/3", "4/3", "0/0", "1/0"])
def test_a_number_outside_the_count_is_refused(text):
    with pytest.raises(ParameterError, match=f"'{text}': the number must be from 1 to the count"):
        Shard.parse(text)


@pytest.mark.parametrize(
    ("step", "given", "says"),
    [
        (
            "mipmaps",
            {"report_dir": "pages"},
            "report_dir: 'pages' cannot go with shard.*run once more with force_redo",
        ),
        (
            "apply",
            {"mipmap_path_builder": True},
            "mipmap_path_builder: True cannot go with shard.*run it once",
        ),
    ],
)
def test_what_is_of_all_images_is_not_done_by_a_shard(step, given, says):
    assert parse(step, given)
    assert parse(step, {"shard": "1/2"})
    with pytest.raises(ParameterError, match=says):
        parse(step, given | {"shard": "1/2"})
