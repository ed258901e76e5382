"""Render's mipmapPathBuilder: one record of a stack names the levels of all its tiles.

Render concatenates: `<rootPath>/<level><level-0 URL after its first colon>.<extension>`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote, unquote

from asap_ingest import storage
from asap_ingest.errors import ParameterError
from asap_ingest.images.dynamic_masks import DynamicMask, is_dynamic
from asap_ingest.mipmaps.levels import Levels
from asap_ingest.mipmaps.registration import NewPyramid

PathBuilder = dict[str, Any]

_FIELD = "mipmap_path_builder"


def path_builder(levels: Levels) -> PathBuilder:
    """The builder of a stack whose tiles have these levels."""
    return {
        "rootPath": _root(levels.root) + "/",
        "numberOfLevels": levels.count,
        "extension": levels.extension,
    }


def with_most_levels(wanted: PathBuilder, present: Mapping[str, Any] | None, stack: str) -> PathBuilder:
    """The wanted builder, combined with the one that the stack has: the larger number of levels counts.

    Raises
    ------
    ParameterError
        The present builder has another root, another extension, or a pattern.
    """
    if not present:
        return wanted
    if not names_same_files(wanted, present):
        raise ParameterError(
            _FIELD,
            f"stack {stack!r} has the builder {_shown(present)}, which differs from {_shown(wanted)}; "
            f"name another output_stack, or leave {_FIELD} out to register tile by tile",
        )
    return {**present, "numberOfLevels": max(wanted["numberOfLevels"], present.get("numberOfLevels") or 0)}


def names_same_files(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Whether two builders name the same files."""
    return _file_rule(one) == _file_rule(other)


def require_expressible(tile_id: str, pyramids: Sequence[NewPyramid], levels: Levels) -> None:
    """Check that render would find the levels of a tile by the builder alone.

    Raises
    ------
    ParameterError
        Masks that are PNG beside JPEG images, or computed; slices of a TIFF stack; level 0 with `..`, or at a
        URL that levels in an object store do not contain as it is.
    """
    root = _root(levels.root)
    for new in pyramids:
        for source, uris, kind in (
            (new.present.image, new.images, "image"),
            (new.present.mask, new.masks, "mask"),
        ):
            if source is None or not uris:
                continue
            uri = source.url if isinstance(source, DynamicMask) else source.uri
            built = f"{root}/1{uri.partition(':')[2] or uri}.{levels.extension}"
            if not _names_file(built, uris[0]):
                raise ParameterError(_FIELD, f"tile {tile_id}: {_reason(kind, built, uris[0])}")


def _reason(kind: str, built: str, uri: str) -> str:
    if is_dynamic(uri):
        return f"has a mask that render computes, which a builder cannot name; leave {_FIELD} out"
    if kind == "mask" and uri.endswith(".png") and built.endswith(".jpg"):
        return (
            "has a mask, whose levels are png where those of images are jpg, and a builder has one "
            f"extension; use imgformat png or tif, or leave {_FIELD} out"
        )
    return f"render would look for {built}, but the {kind}'s level is {uri}; leave {_FIELD} out"


def _root(root: str) -> str:
    """The root as render can join it: percent-encoded where it is local, as tilespecs name files."""
    path = storage.local_path(root)
    return root.rstrip("/") if path is None else quote(str(path)).rstrip("/")


def _names_file(built: str, uri: str) -> bool:
    """Whether the name that render builds is that of the file at a URI."""
    path = storage.local_path(uri)
    # file systems take repeated slashes as one, object stores do not
    return built == uri if path is None else re.sub("/+", "/", unquote(built)) == str(path)


def _file_rule(builder: Mapping[str, Any]) -> tuple[Any, ...]:
    """What the names of files depend on: root as a URI, extension, pattern."""
    root = str(builder.get("rootPath", ""))
    uri = storage.as_uri(f"file:{root}" if root.startswith("/") else root)
    return uri.rstrip("/"), builder.get("extension"), builder.get("imageMipmapPatternString")


def _shown(builder: Mapping[str, Any]) -> str:
    fields = ("rootPath", "extension", "imageMipmapPatternString")
    return ", ".join(f"{name} {builder[name]!r}" for name in fields if builder.get(name) is not None) or "{}"
