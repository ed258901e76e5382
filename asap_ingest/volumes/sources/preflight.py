"""The check of all source files before anything is written."""

from __future__ import annotations

import glob
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from asap_ingest.errors import ImageError, ParameterError
from asap_ingest.images.plane_reductions import SAMPLE_TYPES
from asap_ingest.images.plane_samples import PlaneFile, PlaneStack, picture_stack, require_gray
from asap_ingest.images.tiff_pages import TIFF_STARTS
from asap_ingest.images.tiff_stacks import DEFAULT_CHOICE, PlaneChoice, tiff_stack
from asap_ingest.volumes.axes import Lengths
from asap_ingest.volumes.sources.missing_planes import STAND_INS, Gap, gap_words, gaps_between
from asap_ingest.volumes.sources.plane_files import ImagePlanes

_READERS = 8
_SHOWN = 3


@dataclass(frozen=True)
class FaultyFile:
    """A source file that cannot be used, with the reason."""

    file: str
    reason: str


class SourceError(ParameterError):
    """Source files that cannot become a volume, with reasons."""

    def __init__(self, source: str, faults: Sequence[FaultyFile]) -> None:
        super().__init__("source", f"{source!r}: {_first_of(faults)}")
        self.faults = list(faults)


def _first_of(faults: Sequence[FaultyFile]) -> str:
    """The first faults in one line, with the number of others."""
    shown = "; ".join(f"{fault.file} {fault.reason}" for fault in faults[:_SHOWN])
    return shown + (f"; and {len(faults) - _SHOWN} more" if len(faults) > _SHOWN else "")


def find_files(*sources: str) -> list[str]:
    """Files that names and patterns stand for, each once, in natural order: `z9.tif` before `z10.tif`.

    Patterns match no folders. They do match broken links, so that a missing plane is noticed. Brackets in the
    names of existing folders and files are not patterns.

    Raises
    ------
    ParameterError
        A pattern or name has no file.
    """
    try:
        files = dict.fromkeys(file for source in sources for file in _files_of(source))
    except OSError as error:  # of a name that the system does not accept
        names = ", ".join(sources)
        shown = names if len(names) <= 80 else f"{names[:77]}..."
        raise ParameterError("source", f"{shown!r}: {error.strerror or error}") from error
    return sorted(files, key=natural_key)


def _files_of(source: str) -> list[str]:
    if Path(source).is_file():  # its name may look like a pattern
        return [source]
    if Path(source).is_dir():
        raise ParameterError(
            "source", f"{source!r} is a folder; name its files, like {source.rstrip('/')}/*.tif"
        )
    # Path.glob supports neither patterns that begin with / nor the ** of glob
    pattern = _with_literal_folders(source)
    literal_brackets = pattern.replace("[", "[[]")
    for each in (pattern, literal_brackets):
        files = [name for name in glob.iglob(each, recursive=True) if not Path(name).is_dir()]  # noqa: PTH207
        if files:
            return files
    raise ParameterError("source", f"{source!r} matches no file; in a shell, put the pattern in quotes")


def _with_literal_folders(source: str) -> str:
    """A pattern with the names of existing folders escaped."""
    parts = source.split("/")
    literal = 0
    while literal < len(parts) and Path("/".join(parts[: literal + 1]) or "/").exists():
        literal += 1
    return "/".join([*map(glob.escape, parts[:literal]), *parts[literal:]])


def natural_key(name: str) -> list[tuple[int, int | str, str]]:
    """Sort key that compares digits in names as numbers."""
    parts = re.split(r"(\d+)", name)  # text and numbers alternate
    return [(1, int(part), part) if index % 2 else (0, part, "") for index, part in enumerate(parts)]


@dataclass(frozen=True)
class SourcePlanes:
    """The planes of all source files, in order, and what else the preflight learns.

    Attributes
    ----------
    voxel_size_nm : triple of float or None
        As stored in the first file.
    notes : tuple of str
        Warnings: images that are left out, samples that lose precision.
    """

    planes: ImagePlanes
    voxel_size_nm: Lengths | None
    notes: tuple[str, ...] = ()


def preflight(
    source: str, files: Sequence[str], choice: PlaneChoice = DEFAULT_CHOICE, on_missing: str | None = None
) -> SourcePlanes:
    """Check the headers of all files, and find their planes.

    Parameters
    ----------
    on_missing : name in `ON_MISSING` or None
        What to do about files that cannot be used and numbers that file names skip: `black` and `repeat` keep
        the positions of their planes, `refuse` refuses both, None refuses such files and closes gaps.

    Raises
    ------
    SourceError
        Files that cannot be read, colours, sizes or types that differ: each is named.
    ParameterError
        Numbers are missing, and `on_missing` refuses that.
    """
    gaps = gaps_between(files)
    if gaps and on_missing == "refuse":
        problem = f"{source!r}: {gap_words(gaps)}; on_missing black or repeat keeps their positions"
        raise ParameterError("source", problem)
    keeps_gaps = on_missing in STAND_INS
    checked = list(_stacks_of(files, choice))
    faults = [stack for stack in checked if isinstance(stack, FaultyFile)]
    stacks = [stack for stack in checked if isinstance(stack, PlaneStack)]
    outliers = list(_outliers(stacks))
    if outliers or not stacks or (faults and not keeps_gaps):
        raise SourceError(source, [*faults, *outliers])
    first = stacks[0]
    planes = tuple(_in_place(checked, gaps if keeps_gaps else []))
    size = (first.shape[2], first.shape[1], len(planes))
    whole_planes = any(stack.whole_planes for stack in stacks)
    images = ImagePlanes(planes, size, first.sample_type, whole_planes)
    notes = [*_gap_notes(gaps, on_missing), *missing_notes(on_missing, faults), *_notes(stacks)]
    return SourcePlanes(images, first.voxel_size_nm, tuple(notes))


def _in_place(checked: Sequence[PlaneStack | FaultyFile], gaps: Sequence[Gap]) -> Iterator[PlaneFile | None]:
    """The planes of all files, with None for each that is missing."""
    missing = {gap.file: len(gap.numbers) for gap in gaps}
    for stack in checked:
        yield from [None] * missing.get(stack.file, 0)
        yield from stack.planes if isinstance(stack, PlaneStack) else [None]


def _gap_notes(gaps: Sequence[Gap], on_missing: str | None) -> Iterator[str]:
    if gaps and on_missing in STAND_INS:
        yield f"{gap_words(gaps)}; on_missing: {on_missing}"
    elif gaps:
        yield f"{gap_words(gaps)}; they are closed, on_missing black or repeat keeps their positions"


def missing_notes(on_missing: str | None, faults: Sequence[FaultyFile]) -> Iterator[str]:
    """One line that names files whose planes are missing."""
    if faults:
        yield f"on_missing: {on_missing}: {_first_of(faults)}"


def _stacks_of(files: Sequence[str], choice: PlaneChoice) -> Iterator[PlaneStack | FaultyFile]:
    """The planes of each file; those of a set, whose files refer to each other, only with its first file.

    Files are read one by one while they turn out to be sets, so that each set is read once; after the first
    single file the others are read in parallel.
    """
    left = list(files)
    while left:
        stack = _stack_or_fault(left[0], choice)
        yield stack
        members = _members(stack)
        left = [file for file in left[1:] if str(Path(file).resolve()) not in members]
        if len(members) == 1:
            break
    with ThreadPoolExecutor(_READERS) as readers:
        yield from readers.map(lambda file: _stack_or_fault(file, choice), left)


def _members(stack: PlaneStack | FaultyFile) -> set[str]:
    """Real paths of all files in which planes of a file lie, itself included."""
    if isinstance(stack, FaultyFile):
        return {str(Path(stack.file).resolve())}
    names = dict.fromkeys((stack.file, *(plane.file for plane in stack.planes)))
    return {str(Path(name).resolve()) for name in names}


def _outliers(stacks: Sequence[PlaneStack]) -> Iterable[FaultyFile]:
    """Files that differ from most others in size or type, and files of several planes among others."""
    if not stacks:
        return
    for trait, words in _TRAITS:
        usual = Counter(trait(stack) for stack in stacks).most_common(1)[0][0]
        for stack in stacks:
            if trait(stack) != usual:
                yield FaultyFile(stack.file, f"{words} {trait(stack)}, others {usual}")
    for stack in stacks:
        if len(stacks) > 1 and stack.shape[0] > 1:
            yield FaultyFile(
                stack.file, f"has {stack.shape[0]} pages; give one such file alone, or single planes"
            )


_TRAITS: tuple[tuple[Callable[[PlaneStack], Any], str], ...] = (
    (lambda stack: f"{stack.shape[2]} x {stack.shape[1]}", "is"),
    (lambda stack: stack.sample_type, "has samples of type"),
)


def _notes(stacks: Sequence[PlaneStack]) -> Iterator[str]:
    """A line for images that are left out and one for rounded samples, each with the first such file."""
    for text_of in (lambda stack: stack.left_out, _rounding):
        noted = [(stack.file, text_of(stack)) for stack in stacks if text_of(stack)]
        if noted:
            file, text = noted[0]
            yield f"{file} {text}" + (f"; and {len(noted) - 1} more files" if len(noted) > 1 else "")


def _rounding(stack: PlaneStack) -> str:
    return "has float64 samples, which are rounded to float32" if stack.stored_type == "float64" else ""


def _stack_or_fault(file: str, choice: PlaneChoice) -> PlaneStack | FaultyFile:
    try:
        if Path(file).exists() and not Path(file).is_file():
            return FaultyFile(file, "is not a regular file")
        with Path(file).open("rb") as opened:
            start = opened.read(4)
        stack = tiff_stack(file, choice) if start in TIFF_STARTS else picture_stack(file)
        if np.dtype(stack.sample_type) not in SAMPLE_TYPES:
            allowed = ", ".join(dtype.name for dtype in SAMPLE_TYPES)
            return FaultyFile(file, f"has {stack.stored_type} samples; a volume can have {allowed}")
        require_gray(stack)
    except ImageError as error:
        return FaultyFile(file, str(error).removeprefix(f"{file}: "))
    except OSError as error:
        return FaultyFile(file, f"cannot be read: {error.strerror or error}")
    return stack
