"""Records of tile tables: rows as written, tiles as placed, faults."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import zip_longest

from asap_ingest.errors import AsapIngestError

#: Faults that an error lists; it gives the number of the others.
_SHOWN = 5

#: nm in a unit of length; the length of a `pixel` is `pixel_size_nm`.
UNITS_NM = {"nm": 1.0, "um": 1000.0}
PIXEL = "pixel"


@dataclass(frozen=True)
class TableRow:
    """A tile's entries in a table, in its units; None where an entry is missing.

    Attributes
    ----------
    place : str
        `line 7`, or a file name.
    image : str
        Path or URI of the image, as written in the table.
    row, column : int or None
        Raster position; without x and y, it gives the tile's place on a grid.
    width, height : int or None
        Pixels; the image must have them.
    rotation_degrees : float
        Clockwise on the screen.
    """

    place: str
    image: str
    x: float | None = None
    y: float | None = None
    z: float | None = None
    row: int | None = None
    column: int | None = None
    width: int | None = None
    height: int | None = None
    rotation_degrees: float = 0.0


@dataclass(frozen=True)
class TableContent:
    """The rows of a table, and the meaning of their coordinates.

    Attributes
    ----------
    unit : str or None
        Of x and y: `PIXEL` or a name in `UNITS_NM`; None where the table has none.
    y_up : bool
        y grows upwards, and is that of the lower edge of a tile.
    is_centre : bool
        x and y are those of the middle of a tile, and their origin is arbitrary.
    pixel_size_nm : float or None
    notes : tuple of str
        Messages for the user.
    """

    rows: tuple[TableRow, ...]
    unit: str | None = None
    y_up: bool = False
    is_centre: bool = False
    pixel_size_nm: float | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class PlacedTile:
    """A tile of a section.

    Attributes
    ----------
    name : str
        Unique in its section.
    image_uri : str
    x, y : float
        Upper left corner in pixels of level 0, before the rotation; y grows downwards.
    z : float
    width, height : int
        Pixels of the image.
    sample_type : str
        NumPy's name of the data type of its pixels.
    row : TableRow
        Its rotation is about the tile's centre.
    """

    name: str
    image_uri: str
    x: float
    y: float
    z: float
    width: int
    height: int
    sample_type: str
    row: TableRow


@dataclass(frozen=True)
class TileTable:
    """The tiles of a table, in its order; `pixel_size_nm` is None where it is unknown."""

    source: str
    tiles: tuple[PlacedTile, ...]
    pixel_size_nm: float | None
    notes: tuple[str, ...]

    @property
    def z_values(self) -> list[float]:
        """z of the sections, ascending."""
        return sorted({tile.z for tile in self.tiles})

    @property
    def region(self) -> None:
        """None: tables do not name the region of a section that their tiles show."""


@dataclass(frozen=True)
class Fault:
    """An entry of a table that cannot be used.

    Attributes
    ----------
    place : str
        `line 7`, `line 7, x`, or a file name; empty for a fault of the table as a whole.
    """

    place: str
    problem: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.place}: {self.problem}" if self.place else self.problem


class TileTableError(AsapIngestError):
    """A table that cannot be used: lists its first faults, and the number of the others."""

    def __init__(self, source: str, faults: Sequence[Fault]) -> None:
        shown = "; ".join(_with_remedies(faults[:_SHOWN]))
        more = f"; and {len(faults) - _SHOWN} more" if len(faults) > _SHOWN else ""
        super().__init__(f"{source}: {shown}{more}")


def _with_remedies(faults: Sequence[Fault]) -> Iterator[str]:
    """The faults as text; a remedy that several in a row share comes after the last of them."""
    for fault, following in zip_longest(faults, faults[1:]):
        is_last = following is None or following.remedy != fault.remedy
        yield f"{fault} ({fault.remedy})" if is_last else str(fault)


class Faults:
    """Collects the faults of a table."""

    def __init__(self, source: str) -> None:
        self._source = source
        self._faults: list[Fault] = []

    def add(self, place: str, problem: str, remedy: str) -> None:
        """Add a `Fault`."""
        self._faults.append(Fault(place, problem, remedy))

    def refuse(self) -> None:
        """Raise a TileTableError if there are faults."""
        if self._faults:
            raise TileTableError(self._source, self._faults)
