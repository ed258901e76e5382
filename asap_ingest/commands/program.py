"""What all programs have in common: how they are called, and how they end where nobody foresaw it."""

from __future__ import annotations

import logging
import os
import shlex
import shutil
import sys
import traceback
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import ParamSpec

from asap_ingest.errors import EXIT_FAULT, AsapIngestError
from asap_ingest.secrets import MaskedRecord, masked

P = ParamSpec("P")

_PACKAGE = Path(__file__).parents[1]
#: Commands that have a program of their own too.
_PROGRAMS = {"precomputed_tif": "precomputed-tif", "serve_precomputed": "precomputed-webserver"}


def program(main: Callable[P, int]) -> Callable[P, int]:
    """Decorate the `main` of a program: it returns its exit code, whatever happens.

    What was refused is one line. An unforeseen error ends the program with `EXIT_FAULT` and its traceback:
    Python itself would end it with 1, which means that it did its work, with failures. No line that it logs
    shows a secret.
    """

    @wraps(main)
    def guarded(*args: P.args, **kwargs: P.kwargs) -> int:
        logging.setLogRecordFactory(MaskedRecord)
        try:
            return main(*args, **kwargs)
        except AsapIngestError as error:
            sys.stderr.write(f"{program_name(_command_of(main.__module__))}: error: {error}\n")
            return error.exit_code
        except Exception as error:  # noqa: BLE001 - whatever it is: it was not foreseen
            sys.stderr.write(masked(traceback.format_exc()))
            sys.stderr.write(f"unforeseen {type(error).__name__}: a fault of asap_ingest; please report it\n")
            return EXIT_FAULT

    return guarded


def _command_of(module: str) -> str:
    """`demo` for asap_ingest.demo, also where it runs as `__main__`; nothing for the list of commands."""
    spec = getattr(sys.modules.get(module), "__spec__", None)
    name = str(spec.name if module == "__main__" and spec else module).rpartition(".")[2]
    return "" if name == "__main__" else name


def program_name(command: str = "", python: str = "python") -> str:
    """A command as this process was started: `asap-ingest x`, `python -m asap_ingest.x`, `precomputed-tif`.

    Parameters
    ----------
    command : a key of `COMMANDS`; left out, what lists them
    python : how the interpreter is named where commands run as modules
    """
    started = Path(sys.argv[0])
    if started.stem in _PROGRAMS.values() and command in _PROGRAMS:
        return _PROGRAMS[command]
    if not _is_module(started):
        return f"asap-ingest {command}".rstrip()
    separator = " " if started.stem == "__main__" else "."
    return f"{python} -m asap_ingest{separator if command else ''}{command}"


def typed_name(command: str) -> str:
    """The same with a path before it where the shell would not find the program by its name alone."""
    interpreter = Path(sys.executable)
    if _is_module(Path(sys.argv[0])):
        return program_name(command, _typed(interpreter))
    name, _, rest = program_name(command).partition(" ")
    script = interpreter.with_name(name)
    return f"{_typed(script) if script.exists() else name} {rest}".rstrip()


def _is_module(started: Path) -> bool:
    return started.suffix == ".py" and started.parent.resolve() == _PACKAGE


def _typed(program: Path) -> str:
    found = shutil.which(program.name)
    # links are followed for folders alone: the python of an environment is a link to that of the system
    if found is not None and Path(found).parent.resolve() == program.parent.resolve():
        return program.name
    below = os.path.relpath(program)
    return shlex.quote(str(program) if below.startswith(os.pardir) else below)
