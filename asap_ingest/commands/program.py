"""What all programs share: their names, exit codes, messages of errors, the command to type next."""

from __future__ import annotations

import logging
import os
import shlex
import shutil
import signal
import sys
import traceback
from collections.abc import Callable
from contextlib import suppress
from functools import wraps
from pathlib import Path
from typing import Any, ParamSpec

import asap_ingest
from asap_ingest.errors import EXIT_FAULT, AsapIngestError, OutOfMemoryError
from asap_ingest.secrets import MaskedRecord, masked

P = ParamSpec("P")

_PACKAGE = Path(asap_ingest.__file__).parent
#: Commands that have a program of their own too.
_PROGRAMS = {"precomputed_tif": "precomputed-tif", "serve_precomputed": "precomputed-webserver"}


def program(main: Callable[P, int]) -> Callable[P, int]:
    """Decorate the `main` of a program so that it returns an exit code, whatever happens.

    Errors of this package are one line on standard error. An unforeseen error ends the program with
    `EXIT_FAULT` and its traceback: Python's own exit code, 1, is that of work done with failures.
    No line that the program logs shows a secret.
    """

    @wraps(main)
    def guarded(*args: P.args, **kwargs: P.kwargs) -> int:
        logging.setLogRecordFactory(MaskedRecord)
        try:
            return main(*args, **kwargs)
        except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001 - whatever it is
            code = _signal_code(error)
            # an import that a signal ended says nothing of interest
            is_import = isinstance(error.__cause__ or error, ImportError)
            if code is not None and (is_import or isinstance(error, KeyboardInterrupt)):
                return code
            if isinstance(error, MemoryError):
                error = OutOfMemoryError(str(error))
            if not isinstance(error, AsapIngestError):
                sys.stderr.write(masked(traceback.format_exc()))
                kind = type(error).__name__
                sys.stderr.write(f"unforeseen {kind}: a fault of asap_ingest; please report it\n")
                return EXIT_FAULT
            if logging.getLogger("asap_ingest").isEnabledFor(logging.DEBUG):
                sys.stderr.write(masked(traceback.format_exc()))
            owner = next((arg for arg in args if isinstance(arg, type)), main)  # the class of a step
            sys.stderr.write(f"{_module_name(owner.__module__)}: error: {error}\n")
            return error.exit_code if code is None else code

    return guarded


def _signal_code(error: BaseException | None) -> int | None:
    """The exit code of the signal that led to an error, if any.

    It need not be the error itself: imports of some libraries catch it, and raise an ImportError.
    """
    while error is not None:
        if isinstance(error, KeyboardInterrupt):
            return 128 + signal.SIGINT
        if isinstance(error, SystemExit) and isinstance(error.code, int):
            return error.code
        error = error.__context__
    return None


def _module_name(module: str) -> str:
    """The name of a module, like `asap_ingest.demo`, also if it runs as `__main__`."""
    spec = getattr(sys.modules.get(module), "__spec__", None)
    return str(spec.name) if module == "__main__" and spec else module


def program_name(command: str = "", python: str = "python") -> str:
    """How to call a command, in the way in which this process was called.

    That is `asap-ingest x`, `python -m asap_ingest.x` or `precomputed-tif`.

    Parameters
    ----------
    command : a key of `COMMANDS`; left out, the command that lists them
    python : name of the interpreter where commands run as modules
    """
    started = Path(sys.argv[0])
    if started.stem in _PROGRAMS.values() and command in _PROGRAMS:
        return _PROGRAMS[command]
    if not _is_module(started):
        return f"asap-ingest {command}".rstrip()
    separator = " " if started.stem == "__main__" else "."
    return f"{python} -m asap_ingest{separator if command else ''}{command}"


def typed_name(command: str) -> str:
    """`program_name`, with a path if the shell would not find the program by its name alone."""
    interpreter = Path(sys.executable)
    if _is_module(Path(sys.argv[0])):
        return program_name(command, _typed(interpreter))
    name, _, rest = program_name(command).partition(" ")
    script = interpreter.with_name(name)
    return f"{_typed(script) if script.exists() else name} {rest}".rstrip()


def _is_module(started: Path) -> bool:
    """Whether a program was started by `python -m`, as a module of this package."""
    return started.suffix == ".py" and started.parent.resolve() == _PACKAGE


def _typed(executable: Path) -> str:
    """An executable as it is typed: by name if the PATH leads to it, else by path.

    The path is relative if the executable is below the current folder.
    """
    on_path = shutil.which(executable.name)
    # the file itself is not resolved: the python of an environment is a link to that of the system
    if on_path is not None and Path(on_path).parent.resolve() == executable.parent.resolve():
        return executable.name
    relative = os.path.relpath(executable)
    return shlex.quote(str(executable) if relative.startswith(os.pardir) else relative)


def command_line(command: str, *arguments: str, **options: Any) -> str:
    """A command with its values quoted for a shell; options that are None are left out."""
    given = [shlex.quote(masked(argument)) for argument in arguments]
    given += [
        f"--{name} {shlex.quote(masked(str(value)))}" for name, value in options.items() if value is not None
    ]
    return " ".join([typed_name(command), *given])


def say_next(line: str | None) -> None:
    """Print the next command, if there is one; a closed standard output is not an error."""
    if line and sys.stdout is not None:
        with suppress(OSError):
            sys.stdout.write(f"next: {line}\n")
            sys.stdout.flush()
