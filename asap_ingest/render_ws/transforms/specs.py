"""Transform specifications: resolving references, flattening lists, and building transforms from them.

Rules: those of render-ws 4.0. A specification is parsed JSON. Flattening makes a list of leaf and
interpolated specifications, without references.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

from asap_ingest.render_ws.transforms.classes import IDENTITY, Affine, build_leaf
from asap_ingest.render_ws.transforms.transform_cache import memoised
from asap_ingest.render_ws.transforms.warp_classes import Points, Transform
from asap_ingest.render_ws.wire.problems import IllegalArgumentError, IllegalStateError
from asap_ingest.render_ws.wire.transform_specs import children, references

Spec = dict[str, Any]
Lookup = Callable[[str], Spec | None]

#: Longest chain of references that is followed.
MAX_PASSES = 10
#: Data strings from this length on are parsed once and cached.
CACHED_LENGTH = 250


def in_turn(steps: Sequence[Transform], points: Points) -> Points:
    """Map points by one transform after the other."""
    for step in steps:
        points = step(points)
    return points


def _interpolate(a: Transform, b: Transform, share: float, points: Points) -> Points:
    """a(p) + share * (b(p) - a(p))."""
    start = a(points)
    return start + share * (b(points) - start)


def resolve_in_payload(list_spec: Spec, shared: Mapping[str, Spec]) -> list[Spec]:
    """Flatten the transforms of a tile that is being stored.

    Parameters
    ----------
    shared : mapping
        The shared transforms that are sent with the tile, by id. They must not hold references: ids in these
        count as missing.

    Raises
    ------
    IllegalArgumentError
        For ids that are missing; it names them.
    """
    if not labels_of(list_spec) and all(spec.get("type") == "leaf" for spec in children(list_spec)):
        return [*children(list_spec)]
    missing = []
    for wanted in dict.fromkeys(references(list_spec)):
        missing += [*references(shared[wanted])] if wanted in shared else [wanted]
    if missing:
        raise IllegalArgumentError(
            f"requires the following transform ids [{', '.join(dict.fromkeys(missing))}]"
        )
    return flatten(list_spec, shared.get)


def flatten(list_spec: Spec, lookup: Lookup) -> list[Spec]:
    """Replace references by their targets and lists by their members, in order.

    Labels of a list are added to those of its members. An interpolated transform stays one entry, whose sides
    are flattened.

    Raises
    ------
    IllegalStateError
        For a missing target, a reference whose target is a reference, more than `MAX_PASSES` references in a
        row.
    """
    return list(_flattened(list_spec, lookup, MAX_PASSES))


def _flattened(spec: Spec, lookup: Lookup, passes: int) -> Iterator[Spec]:
    kind = spec.get("type")
    if kind == "ref":
        yield from _flattened(_target(str(spec.get("refId")), lookup, passes), lookup, passes - 1)
    elif kind == "list":
        labels = labels_of(spec)
        for child in children(spec):
            for leaf in _flattened(child, lookup, passes):
                yield _with_labels(leaf, labels)
    elif kind == "interpolated":
        sides = {side: _as_one([*_flattened(spec[side], lookup, passes)]) for side in ("a", "b")}
        yield {**spec, **sides}
    else:
        yield spec


def _target(wanted: str, lookup: Lookup, passes: int) -> Spec:
    target = lookup(wanted)
    if target is None:
        raise IllegalStateError(f"transform {wanted!r} is referenced but not stored")
    if target.get("type") == "ref":
        raise IllegalStateError(f"transform {wanted!r} is itself a reference, to {target.get('refId')!r}")
    if passes == 0:
        raise IllegalStateError(f"transform {wanted!r} lies behind more than {MAX_PASSES} references")
    return target


def labels_of(spec: Spec) -> list[str]:
    """The labels in the metadata of a specification."""
    return (spec.get("metaData") or {}).get("labels") or []


def _with_labels(leaf: Spec, labels: Sequence[str]) -> Spec:
    if not labels:
        return leaf
    all_labels = list(dict.fromkeys([*labels_of(leaf), *labels]))
    # in the order of fields in answers
    head: Spec = {key: leaf[key] for key in ("type", "id") if key in leaf}
    labelled: Spec = {**head, "metaData": {}, **leaf}
    labelled["metaData"] = {**(leaf.get("metaData") or {}), "labels": all_labels}
    return labelled


def _as_one(specs: list[Spec]) -> Spec:
    return specs[0] if len(specs) == 1 else {"type": "list", "specList": specs}


def build(specs: Sequence[Spec]) -> Transform:
    """The transform of a flattened list.

    Raises
    ------
    IllegalArgumentError
        For a reference, a missing class name or data string, and all that `build_leaf` refuses.
    """
    return merged(build_steps(specs))


def merged(steps: Sequence[Transform]) -> Transform:
    """Combine transforms, applied in order, into one; neighbouring affine ones become one `Affine`."""
    result: list[Transform] = []
    for step in steps:
        if isinstance(step, Affine) and result and isinstance(result[-1], Affine):
            step = result.pop().then(step)  # type: ignore[attr-defined]  # noqa: PLW2901
        result.append(step)
    if len(result) == 1:
        return result[0]
    return partial(in_turn, tuple(result)) if result else IDENTITY


def warped_steps(steps: Sequence[Transform]) -> int:
    """Number of steps up to the last one that is not affine, which are called the warp.

    Tiles of a section share the warp, for example a lens correction; the affine steps after it differ.
    """
    return max((depth for depth, step in enumerate(steps, 1) if not isinstance(step, Affine)), default=0)


def build_steps(specs: Sequence[Spec]) -> list[Transform]:
    """The transforms of a flattened list one by one, without merging affine ones; errors as `build`."""
    return [_build_one(spec) for spec in specs]


def _build_one(spec: Spec) -> Transform:
    kind = spec.get("type")
    if kind == "ref":
        raise IllegalArgumentError(f"transform reference {spec.get('refId')!r} is not resolved")
    if kind == "list":
        return build(children(spec))
    if kind == "interpolated":
        sides = _build_one(spec["a"]), _build_one(spec["b"])
        return partial(_interpolate, *sides, float(spec.get("lambda", 0.0)))
    for field in ("className", "dataString"):
        if not isinstance(spec.get(field), str):
            raise IllegalArgumentError(f"no {field} in the transform with id {spec.get('id')!r}")
    # lens corrections are long, and tiles share them; matrices are parsed faster than they are looked up
    leaf = spec["className"], spec["dataString"]
    if len(leaf[1]) < CACHED_LENGTH:
        return build_leaf(*leaf)
    return memoised(leaf, lambda: build_leaf(*leaf), len(leaf[1]))
