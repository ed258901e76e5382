"""Files of tile pairs: one, or numbered ones when there are many pairs."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from asap_ingest.render_ws.client_scripts.json_files import JsonFileError, write_json
from asap_ingest.render_ws.client_scripts.tile_pair_search import NO_POSITION, OPPOSITE, POSITIONS, Pair

COMPRESSED = (".gz", ".zip")

logger = logging.getLogger(__name__)


def pair_json(pair: Pair) -> dict[str, Any]:
    """The JSON form of a pair."""
    p, q = {"groupId": pair.p_group, "id": pair.p_id}, {"groupId": pair.q_group, "id": pair.q_id}
    if pair.rank == NO_POSITION:
        return {"p": p, "q": q, "absoluteDeltaZ": pair.delta_z}
    position = POSITIONS[pair.rank]
    return {"p": {**p, "relativePosition": position}, "q": {**q, "relativePosition": OPPOSITE[position]}}


def part_path(path: Path, number: int) -> Path:
    """Path of a numbered file: `p.json.gz` gives `p_p000.json.gz`."""
    inner = Path(path.stem)
    extension = inner.suffix + path.suffix if path.suffix in COMPRESSED else path.suffix
    return path.with_name(f"{path.name.removesuffix(extension)}_p{number:03d}{extension}")


class PairFiles:
    """Takes pairs layer by layer and writes them, sorted, in files of at most `most` pairs.

    Raises
    ------
    JsonFileError
        At once, when neither the file nor one beside it could be written.
    """

    def __init__(self, path: Path, url_template: str, most: int) -> None:
        if not os.access(path if path.exists() else path.parent, os.W_OK):
            raise JsonFileError(path, "cannot be written: it or its folder is missing or closed to you")
        self._path = path
        self._template = url_template
        self._most = most
        self._waiting: set[Pair] = set()
        self._parts = 0
        self.count = 0

    def add(self, pairs: Iterable[Pair]) -> None:
        """Take the pairs of a layer; full files are written as soon as there are more than fit in one."""
        self._waiting.update(pairs)
        if len(self._waiting) <= self._most:
            return
        ordered = sorted(self._waiting)
        full = len(ordered) // self._most * self._most
        for start in range(0, full, self._most):
            self._write_part(ordered[start : start + self._most])
        self._waiting = set(ordered[full:])

    def finish(self) -> None:
        """Write what is left, if anything."""
        if not self._waiting:
            return
        if self._parts:
            self._write_part(sorted(self._waiting))
        else:
            self._write(self._path, sorted(self._waiting))
        self._waiting = set()

    def _write_part(self, pairs: list[Pair]) -> None:
        self._write(part_path(self._path, self._parts), pairs)
        self._parts += 1

    def _write(self, path: Path, pairs: list[Pair]) -> None:
        found = [pair_json(pair) for pair in pairs]
        write_json(path, {"renderParametersUrlTemplate": self._template, "neighborPairs": found})
        self.count += len(pairs)
        logger.info("%s: %d pairs", path, len(pairs))
