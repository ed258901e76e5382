"""Volumes as other programs write them."""

import json

from asap_ingest.check_precomputed import check_precomputed
from tests.images.reference import mean, reference

SHAPE_ZYX = (13, 21, 37)
CHUNK_ZYX = (8, 8, 16)
LENGTHS = (40.0, 4.0, 4.0)


def scales_of_array(array, count=2):
    """Block means of 1, 2, 4, ... voxels along each axis."""
    return [reference(array, (2**number,) * 3, mean) for number in range(count)]


def not_known(folder, depth="voxels"):
    """What the check does not know of a volume without faults."""
    findings = check_precomputed(str(folder), depth).findings
    assert findings.groups == []
    return findings.not_known


def multiscales(names, translated=True, **fields):
    datasets = []
    for number, name in enumerate(names):
        factor = 2**number
        steps = [{"type": "scale", "scale": [length * factor for length in LENGTHS]}]
        if translated:
            shift = [length * (factor - 1) / 2 for length in LENGTHS]
            steps.append({"type": "translation", "translation": shift})
        datasets.append({"path": name, "coordinateTransformations": steps})
    axes = [{"name": name, "type": "space", "unit": "nanometer"} for name in "zyx"]
    return {"type": "mean", "axes": axes, "datasets": datasets, **fields}


def write_group(folder, zarr_format, names, **fields):
    """Metadata of the group of OME-Zarr."""
    described = multiscales(names, **fields)
    if zarr_format == 2:
        (folder / ".zgroup").write_text('{"zarr_format": 2}')
        (folder / ".zattrs").write_text(json.dumps({"multiscales": [{"version": "0.4", **described}]}))
    else:
        attributes = {"ome": {"version": "0.5", "multiscales": [described]}}
        group = {"zarr_format": 3, "node_type": "group", "attributes": attributes}
        (folder / "zarr.json").write_text(json.dumps(group))


def by_zarr_python(folder, zarr_format, array, names=("0", "1"), settings=None, **fields):
    """Scales written by zarr-python; `settings` of its arrays."""
    import zarr

    for name, scale in zip(names, scales_of_array(array, len(names)), strict=True):
        options = {"chunks": CHUNK_ZYX, "zarr_format": zarr_format, **(settings or {})}
        made = zarr.create_array(str(folder / name), shape=scale.shape, dtype=scale.dtype, **options)
        made[...] = scale
    write_group(folder, zarr_format, names, **fields)
    return folder
