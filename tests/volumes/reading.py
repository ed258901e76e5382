"""Volumes read back by their names and libraries of others alone."""

import json
import re
from pathlib import Path

import imagecodecs
import numpy as np
import tifffile

from tests.images.reference import mean, mode, reference

#: File names of chunks: their end, and how the samples are read.
SUFFIXES = {"raw": "", "tiff": ".tiff"}


def expected_scales(array, scales, kind="image"):
    """What each scale must hold, (z, y, x)."""
    made, before = [array], (1, 1, 1)
    for scale in scales[1:]:
        factor = scale.factor[::-1]
        if kind == "image":
            made.append(reference(array, factor, mean))
        else:
            made.append(reference(made[-1], [n // m for n, m in zip(factor, before, strict=True)], mode))
        before = factor
    return made


def files_below(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def read_precomputed(folder: Path, chunk_format: str):
    """Arrays (z, y, x) of all scales, from exactly the chunks that `info` implies."""
    info = json.loads((folder / "info").read_bytes())
    dtype = np.dtype(info["data_type"]).newbyteorder("<")
    arrays, names = [], {"info", "provenance"}
    for scale in info["scales"]:
        size, offset, (chunk_size,) = scale["size"], scale["voxel_offset"], scale["chunk_sizes"]
        array = np.zeros(size[::-1], dtype)
        seen = np.zeros(size[::-1], int)
        for path in (folder / scale["key"]).iterdir():
            match = re.fullmatch(r"(-?\d+)-(-?\d+)_(-?\d+)-(-?\d+)_(-?\d+)-(-?\d+)(.*)", path.name)
            assert match[7] == SUFFIXES[chunk_format]
            ends = [int(number) - offset[axis // 2] for axis, number in enumerate(match.groups()[:6])]
            for axis, (begin, end) in enumerate(zip(ends[::2], ends[1::2], strict=True)):
                assert begin % chunk_size[axis] == 0
                assert end == min(begin + chunk_size[axis], size[axis])
            place = tuple(slice(*ends[axis * 2 : axis * 2 + 2]) for axis in (2, 1, 0))
            array[place] = _samples(path, chunk_format, dtype, array[place].shape)
            seen[place] += 1
            names.add(f"{scale['key']}/{path.name}")
        assert (seen == 1).all()
        arrays.append(array)
    assert files_below(folder) == names
    return arrays


def _samples(path, chunk_format, dtype, shape):
    if chunk_format == "raw":
        return np.frombuffer(path.read_bytes(), dtype).reshape(shape)
    with tifffile.TiffFile(path) as tiff:
        assert len(tiff.pages) == shape[0]
        return np.stack([page.asarray() for page in tiff.pages])


def zarr_datasets(folder: Path):
    """Path and factor (x, y, z) of each scale of an OME-Zarr of either version."""
    if (folder / "zarr.json").exists():
        multiscales = json.loads((folder / "zarr.json").read_bytes())["attributes"]["ome"]["multiscales"]
    else:
        multiscales = json.loads((folder / ".zattrs").read_bytes())["multiscales"]
    datasets = multiscales[0]["datasets"]
    sides = [dataset["coordinateTransformations"][0]["scale"][::-1] for dataset in datasets]
    factors = [tuple(round(a / b) for a, b in zip(each, sides[0], strict=True)) for each in sides]
    return [(dataset["path"], factor) for dataset, factor in zip(datasets, factors, strict=True)]


def read_zarr(folder: Path):
    """Arrays (z, y, x) of all scales, from exactly the chunks that the metadata imply."""
    is_3 = (folder / "zarr.json").exists()
    arrays, names = [], {"provenance", *(("zarr.json",) if is_3 else (".zgroup", ".zattrs"))}
    for key, _ in zarr_datasets(folder):
        names.add(f"{key}/zarr.json" if is_3 else f"{key}/.zarray")
        meta = json.loads((folder / key / ("zarr.json" if is_3 else ".zarray")).read_bytes())
        chunk_shape = meta["chunk_grid"]["configuration"]["chunk_shape"] if is_3 else meta["chunks"]
        padded = [-(-n // chunk) * chunk for n, chunk in zip(meta["shape"], chunk_shape, strict=True)]
        dtype = np.dtype(meta["data_type"] if is_3 else meta["dtype"]).newbyteorder("<")
        array = np.zeros(padded, dtype)
        for place in np.ndindex(*[n // chunk for n, chunk in zip(padded, chunk_shape, strict=True)]):
            name = "/".join([key, *(["c"] if is_3 else []), *map(str, place)])
            names.add(name)
            samples = np.frombuffer(imagecodecs.zstd_decode((folder / name).read_bytes()), dtype)
            cut = tuple(slice(at * n, (at + 1) * n) for at, n in zip(place, chunk_shape, strict=True))
            array[cut] = samples.reshape(chunk_shape)
        arrays.append(array[tuple(map(slice, meta["shape"]))])
    assert files_below(folder) == names
    return arrays


def read_volume(folder: Path, chunk_format: str):
    return read_zarr(folder) if chunk_format == "zarr" else read_precomputed(folder, chunk_format)
