"""How a tile's list of transforms is changed; pure functions on JSON.

Every change takes the list and one more specification and gives a new list.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from asap_ingest.errors import AsapIngestError
from asap_ingest.render_ws.transforms.classes import Affine, build_leaf
from asap_ingest.render_ws.wire.java_numbers import double_text

Spec = dict[str, Any]
Change = Callable[[list[Spec], Spec], list[Spec]]

AFFINE_CLASS = "mpicbg.trakem2.transform.AffineModel2D"


class TransformChangeError(AsapIngestError):
    """A list of transforms that cannot be changed in the way asked."""


def append(specs: list[Spec], spec: Spec) -> list[Spec]:
    """Apply the transform after all others."""
    return [*specs, spec]


def insert_as_first(specs: list[Spec], spec: Spec) -> list[Spec]:
    """Apply the transform before all others."""
    return [spec, *specs]


def insert_before_last(specs: list[Spec], spec: Spec) -> list[Spec]:
    """Apply the transform before the last one."""
    return [*specs[:-1], spec, *specs[-1:]]


def replace_last(specs: list[Spec], spec: Spec) -> list[Spec]:
    """Put the transform in the place of the last one."""
    return [*specs[:-1], spec]


def replace_all(specs: list[Spec], spec: Spec) -> list[Spec]:
    """Leave nothing but the transform."""
    return [spec]


def join_to_last(specs: list[Spec], spec: Spec) -> list[Spec]:
    """Replace the last transform by itself followed by the new one, as one affine matrix.

    Raises
    ------
    TransformChangeError
        Unless there is a last transform and both are affine.
    """
    if not specs:
        raise TransformChangeError("there is no last transform to join another one to")
    m00, m01, m02, m10, m11, m12 = _affine(specs[-1]).then(_affine(spec)).matrix
    text = " ".join(map(double_text, (m00, m10, m01, m11, m02, m12)))
    return [*specs[:-1], {"type": "leaf", "className": AFFINE_CLASS, "dataString": text}]


def _affine(spec: Spec) -> Affine:
    found = None
    if spec.get("type") == "leaf":
        found = build_leaf(str(spec.get("className")), str(spec.get("dataString")))
    if not isinstance(found, Affine):
        raise TransformChangeError(
            f"only affine transforms can be joined, not {str(spec)[:200]}; append it instead"
        )
    return found


#: Modes of ImportTransformChangesClient.
CHANGE_MODES: dict[str, Change] = {
    "APPEND": append,
    "REPLACE_LAST": replace_last,
    "CONCATENATE_TO_LAST": join_to_last,
    "REPLACE_ALL": replace_all,
}
#: Methods of TransformSectionClient that put a reference to the shared transform into the list.
REFERENCE_METHODS: dict[str, Change] = {
    "APPEND": append,
    "INSERT_AS_FIRST": insert_as_first,
    "INSERT_BEFORE_LAST": insert_before_last,
    "REPLACE_LAST": replace_last,
}
#: Method of TransformSectionClient that computes with the transform itself.
JOINING_METHOD = "PRE_CONCATENATE_LAST"


def changed(tile: Spec, change: Change, spec: Spec) -> Spec:
    """The tile spec with its transforms changed."""
    transforms = tile["transforms"]
    return {**tile, "transforms": {**transforms, "specList": change(transforms["specList"], spec)}}
