"""Compiled loops: exact for every type, size and layout, and usable where nothing can be kept."""

import os
import stat
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import asap_ingest
from asap_ingest.images.downsample import mean_levels, minimum_levels
from tests.examples import long
from tests.images.test_downsample import exact_mean

ROOT = Path(__file__).parents[2]
SIDE = st.integers(1, 90)
MEANS = (("uint8", "uint8"), ("uint16", "uint8"), ("uint16", "uint16"))


@settings(deadline=None)
@given(SIDE, SIDE, st.sampled_from([None, 3]), st.sampled_from(MEANS), st.integers(0, 99), st.booleans())
def test_means_of_any_image(height, width, channels, types, seed, strided):
    stored, made = map(np.dtype, types)
    shape = (height, width) if channels is None else (height, width, channels)
    largest = np.iinfo(stored).max
    image = np.random.default_rng(seed).choice([0, 1, largest - 1, largest], shape).astype(stored)
    if strided:
        image = np.repeat(np.repeat(image, 2, axis=0), 2, axis=1)[1::2, ::2]
    image.setflags(write=False)
    source = image >> 8 if stored != made else image
    for level, pixels in enumerate(mean_levels(image, 9, made), start=1):
        assert pixels.dtype == made
        np.testing.assert_array_equal(pixels, exact_mean(source, level))


@settings(deadline=None)
@given(SIDE, SIDE, st.integers(0, 99))
def test_minima_of_any_mask(height, width, seed):
    mask = np.where(np.random.default_rng(seed).random((height, width)) < 0.9, 255, 0).astype(np.uint8)
    for level, pixels in enumerate(minimum_levels(mask, 8), start=1):
        used = [
            side >> level << level if side >> level else 1 << (side.bit_length() - 1) for side in mask.shape
        ]
        blocks = [min(2**level, side) for side in used]
        whole = mask[: used[0], : used[1]].reshape(used[0] // blocks[0], blocks[0], used[1] // blocks[1], -1)
        np.testing.assert_array_equal(pixels, whole.min(axis=(1, 3)))


def levels_of_noise(seed: int) -> list[list[int]]:
    image = np.random.default_rng(seed).integers(0, 256, (90, 70)).astype(np.uint8)
    return [level.tolist() for level in mean_levels(image, 3)]


#: A program of its own, as one with threads, such as that of these tests, should not fork.
POOL = """
import multiprocessing, sys
from tests.images.test_kernels import levels_of_noise

expected = levels_of_noise(1)  # in this process too, before others are made of it
with multiprocessing.get_context(sys.argv[1]).Pool(2) as pool:
    assert pool.map(levels_of_noise, [1, 1, 1]) == [expected] * 3
"""


@pytest.mark.parametrize("method", ["fork", *long("forkserver", "spawn")])
def test_processes_of_any_kind_compute_the_same(method):
    subprocess.run([sys.executable, "-c", POOL, method], cwd=ROOT, timeout=120, check=True)


def test_threads_compute_the_same():
    expected = levels_of_noise(1)
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(levels_of_noise, [1] * 50)) == [expected] * 50


PROGRAM = """
import numpy as np
from asap_ingest.images.downsample import mean_levels
print(next(mean_levels(np.full((4, 4), 7, np.uint8), 1)).tolist())
"""


LOOP = """
from asap_ingest.images.compiled import compiled
{1}

@compiled()
def {0}():
    {2}
"""


def run_from(package: Path, program: str = PROGRAM, **environment: str) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if name not in ("HOME", "XDG_CACHE_HOME")}
    return subprocess.run(
        [sys.executable, "-c", program],
        cwd=package,
        env={**kept, "PYTHONPATH": str(package), **environment},
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )


@pytest.fixture
def installation(tmp_path):
    """The package in a folder of its own, without what was compiled before."""
    for source in Path(asap_ingest.__file__).parent.rglob("*.py"):
        copy = tmp_path / "site" / source.relative_to(Path(asap_ingest.__file__).parents[1])
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes(source.read_bytes())
    return tmp_path / "site"


@pytest.mark.long
def test_what_was_compiled_is_kept(installation):
    first, second = (run_from(installation) for _ in range(2))
    assert first.stdout == second.stdout == "[[7, 7], [7, 7]]\n"
    assert "compiled for this machine, once" in first.stderr
    assert second.stderr == ""


@pytest.mark.long
def test_where_nothing_can_be_kept_it_works_all_the_same(installation):
    """Files stand where compiled code would be kept: root may write to any folder."""
    for folder in installation.rglob("*"):
        if folder.is_dir():
            (folder / "__pycache__").touch()
            folder.chmod(stat.S_IRUSR | stat.S_IXUSR)
    nowhere = installation / "asap_ingest" / "__init__.py"
    ran = run_from(installation, HOME=str(nowhere), XDG_CACHE_HOME=str(nowhere), PYTHONDONTWRITEBYTECODE="1")
    assert ran.stdout == "[[7, 7], [7, 7]]\n"
    assert "pixel loops are compiled at each start" in ran.stderr


@pytest.mark.long
def test_a_changed_loop_has_those_that_call_it_compiled_anew(installation):
    """Also where they stand in a file that stayed as it is: numba looks at that file alone."""
    package = installation / "asap_ingest" / "images"
    (package / "inner.py").write_text(LOOP.format("inner", "", "return 1"))
    (package / "outer.py").write_text(
        LOOP.format("outer", "from asap_ingest.images.inner import inner", "return inner()")
    )
    program = "from asap_ingest.images.outer import outer; print(outer())"
    assert run_from(installation, program).stdout == "1\n"
    (package / "inner.py").write_text(LOOP.format("inner", "", "return 2"))
    assert run_from(installation, program).stdout == "2\n"
