"""Which shared transforms a transform specification refers to."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

Spec = dict[str, Any]


def referenced_ids(spec: Spec) -> set[str]:
    """Ids that a specification names itself: in lists and interpolated transforms, not behind references."""
    return set(references(spec))


def references(spec: Spec) -> Iterator[str]:
    """Ids that a specification names itself, each as often as it is named."""
    if spec.get("type") == "ref":
        yield str(spec.get("refId"))
    for child in children(spec):
        yield from references(child)


def children(spec: Spec) -> Sequence[Spec]:
    """Specifications that a list or an interpolated transform consists of."""
    if spec.get("type") == "list":
        return spec.get("specList") or []
    if spec.get("type") == "interpolated":
        return [spec["a"], spec["b"]]
    return []
