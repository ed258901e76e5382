"""The page that lists the volumes of a folder, with the addresses that open them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from html import escape
from itertools import groupby
from pathlib import Path
from string import Template

from asap_ingest.volumes.serving.served_volume import ServedVolume
from asap_ingest.volumes.serving.viewer_link import source_url, viewer_url

#: The page runs no script and loads nothing.
CONTENT_POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; frame-ancestors 'none'"
_PAGE = Template(Path(__file__).with_name("volume_index.html").read_text(encoding="utf-8"))
#: Units in which lengths are shown, with their length in meters.
_UNITS = ((1e-9, "nm"), (1e-6, "µm"), (1e-3, "mm"), (1.0, "m"))


def index_page(volumes: Mapping[str, ServedVolume], base_url: str, has_client: bool) -> str:
    """The page as HTML; without the client it has no links to viewers."""
    rows = "\n".join(_row(volume, base_url, has_client) for volume in volumes.values())
    together = "".join(_together(group, base_url) for group in _groups(volumes)) if has_client else ""
    return _PAGE.substitute(rows=rows, together=together)


def voxel_text(volume: ServedVolume) -> str:
    """Sides of a voxel, like `4 x 4 x 40 nm`; without unit if the metadata name none."""
    if not volume.axes:
        return "unknown"
    shortest = min(axis.length for axis in volume.axes)
    is_length = all(axis.unit for axis in volume.axes)
    meters, unit = next((one for one in reversed(_UNITS) if one[0] <= shortest), _UNITS[0])
    sides = " x ".join(f"{axis.length / (meters if is_length else 1):.6g}" for axis in volume.axes)
    return f"{sides} {unit}" if is_length else f"{sides}, no unit"


def _row(volume: ServedVolume, base_url: str, has_client: bool) -> str:
    name = escape(volume.name or volume.root.name)
    if has_client:
        name = f'<a href="{escape(viewer_url([volume], base_url))}">{name}</a>'
    size = " x ".join(f"{axis.size:,}" for axis in volume.axes) or "unknown"
    source = f"<code>{escape(source_url(volume, base_url))}</code>"
    return (
        f"<tr><td>{name}</td><td>{escape(volume.kind)}</td><td class=number>{size}</td>"
        f"<td class=number>{voxel_text(volume)}</td><td>{volume.chunk_format}</td><td>{source}</td></tr>"
    )


def _together(group: Sequence[ServedVolume], base_url: str) -> str:
    names = escape(", ".join(volume.name or volume.root.name for volume in group))
    return f'<p><a href="{escape(viewer_url(group, base_url))}">Open together: {names}</a></p>\n'


def _groups(volumes: Mapping[str, ServedVolume]) -> Iterator[list[ServedVolume]]:
    """Volumes to open together: those of one folder; labels inside an image belong to its folder."""
    images = {
        f"{image.name}/{path}".lstrip("/"): image.name for image in volumes.values() for path in image.labels
    }

    def folder(volume: ServedVolume) -> str:
        return images.get(volume.name, volume.name).rpartition("/")[0]

    for _, members in groupby(sorted(volumes.values(), key=folder), key=folder):
        group = list(members)
        if len(group) > 1:
            yield group
