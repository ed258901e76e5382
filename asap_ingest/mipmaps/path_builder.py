"""Render's mipmapPathBuilder: the levels of all tiles of a stack in one record.

Render joins text: `<rootPath>/<level><level-0 URL behind its first colon>.<extension>`.
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
from asap_ingest.mipmaps.registration import NewLevels

PathBuilder = dict[str, Any]

_FIELD = "mipmap_path_builder"


def path_builder(levels: Levels) -> PathBuilder:
    """The builder that names the files of these levels."""
    return {
        "rootPath": _root(levels.root) + "/",
        "numberOfLevels": levels.count,
        "extension": levels.extension,
    }


def with_most_levels(wanted: PathBuilder, present: Mapping[str, Any] | None, stack: str) -> PathBuilder:
    """The builder that a stack gets: with the larger number of levels of the two.

    Raises
    ------
    ParameterError
        The present builder names files of another root, of another extension, or by a pattern.
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
    return _place(one) == _place(other)


def require_expressible(tile_id: str, pyramids: Sequence[NewLevels], levels: Levels) -> None:
    """Check that the builder's rule names the files of the levels.

    Raises
    ------
    ParameterError
        Masks beside JPEG images, which are PNG, and masks that are computed; slices of a TIFF stack;
        level 0 with `..` or behind a URL in an object store.
    """
    root = _root(levels.root)
    for new in pyramids:
        for source, uris, kind in (
            (new.level_0.image, new.images, "image"),
            (new.level_0.mask, new.masks, "mask"),
        ):
            if source is None or not uris:
                continue
            uri = source.url if isinstance(source, DynamicMask) else source.uri
            built = f"{root}/1{uri.partition(':')[2] or uri}.{levels.extension}"
            if not _is_file(built, uris[0]):
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


def _is_file(built: str, uri: str) -> bool:
    path = storage.local_path(uri)
    # file systems take repeated slashes as one, object stores do not
    return built == uri if path is None else re.sub("/+", "/", unquote(built)) == str(path)


def _place(builder: Mapping[str, Any]) -> tuple[Any, ...]:
    root = str(builder.get("rootPath", ""))
    uri = storage.as_uri(f"file:{root}" if root.startswith("/") else root)
    return uri.rstrip("/"), builder.get("extension"), builder.get("imageMipmapPatternString")


def _shown(builder: Mapping[str, Any]) -> str:
    fields = ("rootPath", "extension", "imageMipmapPatternString")
    return ", ".join(f"{name} {builder[name]!r}" for name in fields if builder.get(name) is not None) or "{}"
