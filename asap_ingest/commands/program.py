"""What all programs share: names, exit codes, messages of errors and signals, the command to type next."""

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
from asap_ingest.errors import EXIT_FAULT, AsapIngestError
from asap_ingest.secrets import MaskedRecord, masked

P = ParamSpec("P")

_PACKAGE = Path(asap_ingest.__file__).parent
#: Commands that have a program of their own too.
_PROGRAMS = {"precomputed_tif": "precomputed-tif", "serve_precomputed": "precomputed-webserver"}


def program(main: Callable[P, int]) -> Callable[P, int]:
    """Decorate the `main` of a program so that it returns its exit code, whatever happens.

    Errors of this package are one line on standard error. An unforeseen error ends the program with
    `EXIT_FAULT` and its traceback: Python's own code for it is 1, which stands for work done with failures.
    No line that the program logs shows a secret.
    """

    @wraps(main)
    def guarded(*args: P.args, **kwargs: P.kwargs) -> int:
        logging.setLogRecordFactory(MaskedRecord)
        try:
            return main(*args, **kwargs)
        except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001 - whatever it is
            code = _signal_code(error)
            is_import = isinstance(error.__cause__ or error, ImportError)
            if code is not None and (is_import or isinstance(error, KeyboardInterrupt)):
                return code
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
    """Exit code of the signal behind an error, if any: some imports catch it and raise an ImportError."""
    while error is not None:
        if isinstance(error, KeyboardInterrupt):
            return 128 + signal.SIGINT
        if isinstance(error, SystemExit) and isinstance(error.code, int):
            return error.code
        error = error.__context__
    return None


def _module_name(module: str) -> str:
    """`asap_ingest.demo`, also where it runs as `__main__`."""
    spec = getattr(sys.modules.get(module), "__spec__", None)
    return str(spec.name) if module == "__main__" and spec else module


def program_name(command: str = "", python: str = "python") -> str:
    """A command as this process was started: `asap-ingest x`, `python -m asap_ingest.x`, `precomputed-tif`.

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
    """The same, with a path before it where the shell would not find the program by its name alone."""
    interpreter = Path(sys.executable)
    if _is_module(Path(sys.argv[0])):
        return program_name(command, _typed(interpreter))
    name, _, rest = program_name(command).partition(" ")
    script = interpreter.with_name(name)
    return f"{_typed(script) if script.exists() else name} {rest}".rstrip()


def _is_module(started: Path) -> bool:
    return started.suffix == ".py" and started.parent.resolve() == _PACKAGE


def _typed(program: Path) -> str:
    on_path = shutil.which(program.name)
    # only links of folders are resolved: the python of an environment is a link to that of the system
    if on_path is not None and Path(on_path).parent.resolve() == program.parent.resolve():
        return program.name
    relative = os.path.relpath(program)
    return shlex.quote(str(program) if relative.startswith(os.pardir) else relative)


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
