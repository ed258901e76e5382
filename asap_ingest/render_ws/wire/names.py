"""Names of owners, projects, stacks and match collections: what is allowed."""

from __future__ import annotations

import re
from dataclasses import dataclass

from asap_ingest.render_ws.wire.json_types import Schema
from asap_ingest.render_ws.wire.problems import IllegalArgumentError

_NAME = re.compile("[A-Za-z0-9]+(?:_[A-Za-z0-9]+)*")
#: JSON schema of the name of an owner, project or stack.
NAME_SCHEMA: Schema = {"type": "string", "pattern": f"^{_NAME.pattern}$", "maxLength": 30}
_LONGEST_STACK = 111
_LONGEST_COLLECTION = 112


def check_name(kind: str, name: str) -> None:
    """Raise IllegalArgumentError unless a name is letters and digits, with single underscores in it."""
    if not _NAME.fullmatch(name):
        raise IllegalArgumentError(
            f"invalid {kind} '{name}' specified, names may only hold letters and digits, "
            "and single underscores between them"
        )


@dataclass(frozen=True)
class StackId:
    """The three names of a stack."""

    owner: str
    project: str
    stack: str

    def checked(self) -> StackId:
        """Return itself; raises IllegalArgumentError for a bad name or names too long together."""
        for kind in ("owner", "project", "stack"):
            check_name(kind, getattr(self, kind))
        longest = f"{self.owner}__{self.project}__{self.stack}__transform"
        if len(longest) > _LONGEST_STACK:
            raise IllegalArgumentError(
                f"render collection name '{longest}' is longer than {_LONGEST_STACK} characters"
            )
        return self

    def to_json(self) -> dict[str, str]:
        """As in stack metadata."""
        return {"owner": self.owner, "project": self.project, "stack": self.stack}

    def __str__(self) -> str:
        return f"stack with owner '{self.owner}', project '{self.project}', and name '{self.stack}'"


@dataclass(frozen=True)
class CollectionId:
    """The two names of a match collection."""

    owner: str
    name: str

    def checked(self) -> CollectionId:
        """Return itself; raises IllegalArgumentError for a bad name or names too long together."""
        check_name("owner", self.owner)
        check_name("name", self.name)
        if len(f"{self.owner}__{self.name}") > _LONGEST_COLLECTION:
            raise IllegalArgumentError(f"match collection name '{self.owner}__{self.name}' is too long")
        return self

    def to_json(self) -> dict[str, str]:
        """As in the list of match collections."""
        return {"owner": self.owner, "name": self.name}

    def __str__(self) -> str:
        return f"match collection with owner '{self.owner}' and name '{self.name}'"
