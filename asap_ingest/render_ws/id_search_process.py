"""The program behind `id_patterns`: reads a regular expression and texts, writes where it was found.

JSON on standard input, `[expression, text, ...]`, and on standard output, `[number of the text, ...]`. It
imports nothing but the standard library: it is started for one search.
"""

from __future__ import annotations

import json
import re
import sys


def main() -> None:
    """Search the texts."""
    pattern, *texts = json.loads(sys.stdin.buffer.read())
    wanted = re.compile(pattern)
    json.dump([place for place, text in enumerate(texts) if wanted.search(text)], sys.stdout)


if __name__ == "__main__":
    main()
