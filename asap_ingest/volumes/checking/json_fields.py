"""Fields of JSON files, each checked when it is read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from asap_ingest.storage.json_documents import parse_json
from asap_ingest.volumes.axes import Lengths, Triple
from asap_ingest.volumes.checking.faults import FaultError
from asap_ingest.volumes.checking.volume_files import VolumeFiles


def read_json(files: VolumeFiles, name: str) -> dict[str, Any]:
    """The object in a JSON file; FaultError if there is none."""
    content = files.read(name)
    if content is None:
        raise FaultError(name, "missing")
    try:
        value = parse_json(content)
    except ValueError as error:
        raise FaultError(name, f"is not JSON: {error}") from error
    if not isinstance(value, dict):
        raise FaultError(name, f"holds a {type(value).__name__}; it must hold an object")
    return value


#: JSON has larger numbers; a product of these still fits a float.
_MOST_WHOLE, _MOST_FLOAT = 2**63 - 1, 1e100


@dataclass(frozen=True)
class Fields:
    """Fields of a JSON object; each method raises a FaultError that names a field with a wrong value.

    Attributes
    ----------
    path : str
        Of the object in the file, ending with a dot: `scales[0].`; empty for the file's own object.
    """

    file: str
    path: str
    values: Mapping[str, Any]

    @classmethod
    def of(cls, file: str, path: str, value: Any) -> Fields:
        """The fields of a value, which must be an object."""
        if not isinstance(value, dict):
            raise FaultError(file, f"{path}: is {value!r}; it must be an object")
        return cls(file, f"{path}.", value)

    def within(self, name: str) -> Fields:
        return Fields(self.file, f"{self.path}{name}.", self.get(name, dict))

    def get(self, name: str, kind: type | tuple[type, ...]) -> Any:
        value = self.values.get(name)
        if not isinstance(value, kind) or isinstance(value, bool):
            raise self.wrong(name)
        return value

    def filled_list(self, name: str) -> list[Any]:
        value: list[Any] = self.get(name, list)
        if not value:
            raise self.wrong(name, "; it must not be empty")
        return value

    def objects(self, name: str) -> list[Fields]:
        """The objects in a list, which must not be empty."""
        values = enumerate(self.filled_list(name))
        return [Fields.of(self.file, f"{self.path}{name}[{number}]", value) for number, value in values]

    def whole_number(self, name: str, least: int) -> int:
        value: int = self.get(name, int)
        if value < least:
            raise self.wrong(name, f"; it must be at least {least}")
        return value

    def whole_numbers(self, name: str, least: int) -> Triple:
        """Three whole numbers."""
        x, y, z = values = self._three(name)
        if not all(type(number) is int and least <= number <= _MOST_WHOLE for number in values):
            raise self.wrong(name)
        return x, y, z

    def numbers(self, name: str) -> Lengths:
        """Three finite numbers."""
        x, y, z = values = self._three(name)
        if not all(type(number) in (int, float) and abs(number) <= _MOST_FLOAT for number in values):
            raise self.wrong(name)
        return x, y, z

    def expect(self, name: str, *allowed: Any) -> Any:
        """A value, which must be one of those allowed."""
        value = self.values.get(name)
        if value not in allowed:
            raise self.wrong(name, f"; known are {', '.join(map(repr, allowed))}")
        return value

    def wrong(self, name: str, hint: str = "") -> FaultError:
        if name not in self.values:
            return FaultError(self.file, f"{self.path}{name}: missing{hint}")
        return FaultError(self.file, f"{self.path}{name}: is {self.values[name]!r}{hint}")

    def _three(self, name: str) -> list[Any]:
        value = self.values.get(name)
        if not isinstance(value, list) or len(value) != 3:
            raise self.wrong(name, "; it must be three numbers")
        return value
