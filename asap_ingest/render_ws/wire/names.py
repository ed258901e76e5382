"""Names of owners, projects, stacks and match collections: what is allowed."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import ClassVar, Self

from asap_ingest.render_ws.wire.json_types import Schema
from asap_ingest.render_ws.wire.problems import IllegalArgumentError

_NAME = re.compile("[A-Za-z0-9]+(?:_[A-Za-z0-9]+)*")
#: JSON schema of the name of an owner, project or stack.
NAME_SCHEMA: Schema = {"type": "string", "pattern": f"^{_NAME.pattern}$", "maxLength": 30}


@dataclass(frozen=True)
class _Names:
    """Base of ids that consist of names, which render-ws joins to that of a MongoDB collection.

    `SUFFIX` is what it appends; the joined name has at most `LONGEST` characters.
    """

    SUFFIX: ClassVar[str] = ""
    LONGEST: ClassVar[int]

    def checked(self) -> Self:
        """Return itself; IllegalArgumentError for an invalid name, and for names too long together.

        A name consists of letters and digits, with single underscores between them.
        """
        for kind, name in vars(self).items():
            if not _NAME.fullmatch(name):
                raise IllegalArgumentError(
                    f"invalid {kind} '{name}' specified, names may only hold letters and digits, "
                    "and single underscores between them"
                )
        collection = "__".join(vars(self).values()) + self.SUFFIX
        if len(collection) > self.LONGEST:
            raise IllegalArgumentError(
                f"collection name '{collection}' is longer than {self.LONGEST} characters"
            )
        return self

    def to_json(self) -> dict[str, str]:
        """The names by kind, as in stack metadata and in the list of match collections."""
        return dict(vars(self))


@dataclass(frozen=True)
class StackId(_Names):
    """The three names of a stack."""

    SUFFIX = "__transform"
    LONGEST = 111
    owner: str
    project: str
    stack: str

    def __str__(self) -> str:
        return f"stack with owner '{self.owner}', project '{self.project}', and name '{self.stack}'"


@dataclass(frozen=True)
class CollectionId(_Names):
    """The two names of a match collection."""

    LONGEST = 112
    owner: str
    name: str

    def __str__(self) -> str:
        return f"match collection with owner '{self.owner}' and name '{self.name}'"
