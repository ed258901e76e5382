"""The steps as functions: keyword arguments in, the report out, errors raised.

    from asap_ingest import steps
    report = steps.generate_mipmaps(render={...}, input_stack="raw", output_dir="mipmaps", levels=6)

Parameters are those of the command of the same name, which `asap-ingest generate_mipmaps --help` lists; what
is returned is what it writes to its `output_json`. The command line of the process is not read. A tile that
fails raises nothing: it is in `failures` of the report. What cannot be done at all is an `AsapIngestError`
before any work. Worker processes (`pool_size` above 1) do not import the script that calls: it needs no
`if __name__ == "__main__":`.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

from asap_ingest.errors import ParameterError

Report = dict[str, Any]


def ingest_section(**parameters: Any) -> Report:
    """A metafile to a stack whose tiles have image pyramids: the three steps in one run."""
    return _run("ingest_section", "IngestSection", parameters)


def ingest_sections(**parameters: Any) -> Report:
    """Many metafiles to such a stack, through one set of workers; resumes an interrupted run."""
    return _run("ingest_sections", "IngestSections", parameters)


def generate_EM_tilespecs_from_metafile(**parameters: Any) -> Report:  # noqa: N802 - a documented name
    """A pyTEMCA metafile to tilespecs in a stack."""
    return _run("generate_EM_tilespecs_from_metafile", "GenerateEMTileSpecsModule", parameters)


def generate_tilespecs_from_table(**parameters: Any) -> Report:
    """A table of tiles, or the names of their files, to tilespecs in a stack."""
    return _run("generate_tilespecs_from_table", "GenerateTileSpecsFromTable", parameters)


def generate_mipmaps(**parameters: Any) -> Report:
    """A stack to image pyramid files for every tile."""
    return _run("generate_mipmaps", "GenerateMipMaps", parameters)


def apply_mipmaps_to_render(**parameters: Any) -> Report:
    """Pyramid files to a stack whose tiles have them registered."""
    return _run("apply_mipmaps_to_render", "AddMipMapsToStack", parameters)


def precomputed_tif(**parameters: Any) -> Report:
    """A z-stack of images to a volume for Neuroglancer."""
    return _run("precomputed_tif", "PrecomputedTif", parameters)


def export_to_precomputed(**parameters: Any) -> Report:
    """A stack to a volume for Neuroglancer."""
    return _run("export_to_precomputed", "ExportToPrecomputed", parameters)


def check_precomputed(volume: str, depth: str = "voxels") -> Report:
    """The faults of a volume, as `asap-ingest check_precomputed --json` writes them."""
    from asap_ingest import check_precomputed as command

    return command.output_of(volume, depth, command.check_precomputed(volume, depth))


def _run(module: str, name: str, parameters: dict[str, Any]) -> Report:
    # a class of its module, so that worker processes find its jobs there
    step = getattr(import_module(f"asap_ingest.{module}"), name)
    if "input_json" in parameters:
        problem = "is for the command line; give the file's content: **json.loads(Path(...).read_text())"
        raise ParameterError("input_json", problem)
    made = step(input_data=parameters, args=[])
    made.run()
    report: Report = made.output
    return report
