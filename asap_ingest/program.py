"""What all programs have in common: how they end where nobody foresaw it."""

from __future__ import annotations

import logging
import sys
import traceback
from collections.abc import Callable
from functools import wraps
from typing import ParamSpec

from asap_ingest.errors import EXIT_FAULT
from asap_ingest.secrets import MaskedRecord, masked

P = ParamSpec("P")


def program(main: Callable[P, int]) -> Callable[P, int]:
    """Decorate the `main` of a program: an unforeseen error ends it with `EXIT_FAULT` and its traceback.

    Python itself would end it with 1, which means that it did its work, with failures. No line that it logs
    shows a secret.
    """

    @wraps(main)
    def guarded(*args: P.args, **kwargs: P.kwargs) -> int:
        logging.setLogRecordFactory(MaskedRecord)
        try:
            return main(*args, **kwargs)
        except Exception as error:  # noqa: BLE001 - whatever it is: it was not foreseen
            sys.stderr.write(masked(traceback.format_exc()))
            sys.stderr.write(f"unforeseen {type(error).__name__}: a fault of asap_ingest; please report it\n")
            return EXIT_FAULT

    return guarded
