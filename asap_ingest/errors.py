"""The exceptions of this package; each carries its data, and the exit code of a command that it ends.

Exit codes: 0 all done, 1 done with failures, 2 bad parameters or input, 3 the render service
could not be reached, 70 a fault of the program itself. An error's text is one line: what was
requested, what is wrong and what to do.
"""

from __future__ import annotations

import difflib
import signal
from collections.abc import Collection, Sequence
from typing import Any

from asap_ingest.secrets import masked

EXIT_DONE = 0
EXIT_FAILURES = 1
EXIT_BAD_INPUT = 2
EXIT_UNREACHABLE = 3
#: What sysexits.h calls an internal software error.
EXIT_FAULT = 70
#: More names than these are not listed in an error.
_LISTED_NAMES = 12


def did_you_mean(name: str, known: Collection[str], prefix: str = "") -> str:
    """`; did you mean X?` for the nearest of the known names, or nothing where none is near."""
    spelled = {other.lower().replace("-", "_"): other for other in known}
    near = difflib.get_close_matches(name.lower().replace("-", "_"), spelled, n=1)
    return f"; did you mean {prefix}{spelled[near[0]]}?" if near else ""


class AsapIngestError(Exception):
    """The base of all errors that this package raises on purpose."""

    exit_code = EXIT_BAD_INPUT

    def __init__(self, *args: object) -> None:
        super().__init__(*(masked(arg) if isinstance(arg, str) else arg for arg in args))

    def __reduce__(self) -> tuple[Any, ...]:
        # restored without the constructor, because its parameters are not `args`, which hold the message
        return type(self).__new__, (type(self), *self.args), self.__dict__


class ParameterError(AsapIngestError):
    """A parameter whose value cannot be used: names the field, the value and what is allowed."""

    def __init__(self, field: str, problem: str) -> None:
        super().__init__(f"{field}: {problem}")
        self.field = field
        self.problem = problem


class MetafileError(AsapIngestError):
    """A metafile entry that is missing or wrong, by its JSON path (`data[17].img_meta.stage_pos`)."""

    def __init__(self, metafile: str, json_path: str, problem: str) -> None:
        super().__init__(f"{metafile}: {json_path}: {problem}")


class StorageError(AsapIngestError):
    """Bytes that could not be read or written."""

    def __init__(self, uri: str, problem: str) -> None:
        super().__init__(f"{uri}: {problem}")
        self.uri = uri
        self.problem = problem


class MissingFileError(StorageError):
    """There is no file at the path or URI."""

    def __init__(self, uri: str) -> None:
        super().__init__(uri, "no such file")


class ImageError(AsapIngestError):
    """Bytes that are not an image, or an image that this package cannot use."""


class VolumeError(AsapIngestError):
    """A folder that is not the volume it should be."""

    def __init__(self, root: str, problem: str) -> None:
        super().__init__(f"{root}: {problem}")


class FaultyLevelsError(AsapIngestError):
    """Levels that exist but are faulty: file and reason of each."""

    def __init__(self, faults: Sequence[tuple[str, str]]) -> None:
        more = f" (and {len(faults) - 1} more levels)" if len(faults) > 1 else ""
        super().__init__(f"{faults[0][0]}: {faults[0][1]}{more}")
        self.faults = list(faults)


class NoSectionsError(AsapIngestError):
    """The selected sections are not in the stack."""

    def __init__(self, stack: str, selected: str, existing: Sequence[float]) -> None:
        super().__init__(
            f"stack {stack!r} has no sections at {selected}; it has {describe_z_values(existing)}"
        )


class ServiceError(AsapIngestError):
    """The render service answered with an error status."""

    def __init__(self, method: str, url: str, status: int, text: str) -> None:
        super().__init__(
            f"render service answered {status} to {method} {url}: {' '.join(text.split())[:300]}"
        )
        self.status = status
        self.text = text


class ServiceUnreachableError(AsapIngestError):
    """No render service answers at the address."""

    exit_code = EXIT_UNREACHABLE

    def __init__(self, address: str, reason: str) -> None:
        super().__init__(
            f"no render service answers at {address} ({reason}); check render.host and render.port, "
            "or start one: asap-ingest serve_render --port 8080 --database render.db"
        )


class StackNotFoundError(AsapIngestError):
    """The owner's project has no stack of that name."""

    def __init__(self, owner: str, project: str, stack: str, existing: Sequence[str]) -> None:
        known = ", ".join(existing[:_LISTED_NAMES]) if existing else "no stacks"
        more = f" and {len(existing) - _LISTED_NAMES} more" if len(existing) > _LISTED_NAMES else ""
        near = did_you_mean(stack, existing)
        super().__init__(
            f"no stack {stack!r} for owner {owner!r} in project {project!r}{near}; it has {known}{more}"
        )


class StackStateError(AsapIngestError):
    """The stack's state does not let tiles be written."""

    def __init__(self, stack: str, state: str) -> None:
        super().__init__(
            f"stack {stack!r} is {state}: tiles cannot be written; set it to COMPLETE, or name another stack"
        )


class SectionTooLargeError(AsapIngestError):
    """A section has more tiles than render returns in one read."""

    def __init__(self, stack: str, z: float, tiles: int, limit: int) -> None:
        super().__init__(
            f"section z {z:g} of stack {stack!r} has {tiles} tiles, and render reads at most {limit} of a "
            "section; divide it over several z values"
        )


class OutOfMemoryError(AsapIngestError):
    """A job or program could not allocate memory; `message` is that of the library that failed to."""

    def __init__(self, message: str) -> None:
        amount = f" ({message})" if message else ""
        remedy = "raise the limit of memory, or lower pool_size if the command has it"
        super().__init__(f"needs more memory than there is{amount}; {remedy}")


class WorkerDiedError(AsapIngestError):
    """A worker process ended while it did a job, twice: usually the system ran out of memory."""

    def __init__(self, exitcode: int | None) -> None:
        code = "" if exitcode is None else f" (exit code {exitcode})"
        reason = "; if memory ran out, lower pool_size"
        if exitcode == -signal.SIGKILL:
            reason = ": it was killed, as systems do when memory runs out; lower pool_size"
        super().__init__(f"worker process died{code}{reason}")


def describe_value(value: object) -> str:
    """A value for messages: as Python writes it, long ones shortened to 80 characters."""
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."


def describe_bytes(count: int) -> str:
    """A number of bytes as text with three significant digits: `1.5 MB`; a MB is 10**6 bytes."""
    units = ("bytes", "kB", "MB", "GB", "TB")
    power = min(len(units) - 1, (len(str(count)) - 1) // 3)
    return f"{count / 1000**power:,.3g} {units[power]}"


def describe_z_values(z_values: Sequence[float]) -> str:
    """Up to six z values as a list, more as a range: `z 1, 2, 4` or `z 1..500 (480 sections)`."""
    if not z_values:
        return "no sections"
    if len(z_values) > 6:
        return f"z {min(z_values):g}..{max(z_values):g} ({len(z_values)} sections)"
    return "z " + ", ".join(f"{z:g}" for z in z_values)
