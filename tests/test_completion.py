"""Completion scripts: real shells complete by them."""

import os
import pty
import select
import shutil
import subprocess
import time

import pytest

from asap_ingest.completion import SHELLS, main
from asap_ingest.completion import script as completion_script

#: What bash's `complete` calls, asked as bash asks it.
ASK = """
source "$1"; shift
COMP_WORDS=("$@"); COMP_CWORD=$((${#COMP_WORDS[@]} - 1)); COMP_LINE="$*"; COMP_POINT=${#COMP_LINE}
_shtab_asap_ingest
printf '%s\\n' "${COMPREPLY[@]}"
"""


@pytest.fixture(scope="module")
def scripts(tmp_path_factory):
    folder = tmp_path_factory.mktemp("completion")
    for shell in SHELLS:
        (folder / shell).write_text(completion_script(shell))
    return folder


def bash_completes(scripts, line, _completed):
    """The words that bash would offer."""
    asked = ["bash", "-c", ASK, "bash", str(scripts / "bash"), *line.split(" ")]
    return subprocess.run(asked, capture_output=True, text=True, check=True).stdout


def fish_completes(scripts, line, _completed):
    """The words that fish would offer, each with its description behind a tab."""
    asked = ["fish", "--no-config", "-c", f"source {scripts / 'fish'}; complete -C '{line}'"]
    lines = subprocess.run(asked, capture_output=True, text=True, check=True).stdout.splitlines()
    return "\n".join(offered.partition("\t")[0] for offered in lines)


def zsh_completes(scripts, line, completed):
    """Those of the words that an interactive zsh shows, among descriptions, when Tab is pressed twice."""
    shutil.copy(scripts / "zsh", scripts / "_asap-ingest")
    setup = f"fpath=({scripts} $fpath); autoload -Uz compinit; compinit -u -d {scripts}/dump; echo re''ady\n"
    terminal, end = pty.openpty()
    with subprocess.Popen(
        ["zsh", "-f", "-i"],
        stdin=end,
        stdout=end,
        stderr=end,
        start_new_session=True,
        env={**os.environ, "TERM": "dumb"},
    ) as process:
        os.write(terminal, setup.encode())
        shown_until(terminal, ["ready"])
        os.write(terminal, f"{line}\t\t".encode())
        shown = shown_until(terminal, completed)
        process.kill()
    os.close(terminal)
    os.close(end)
    return "\n".join(word for word in completed if word in shown)


def shown_until(terminal, texts, seconds=20):
    """What is written to a terminal until all texts have come, or for some seconds."""
    shown, end = "", time.monotonic() + seconds
    while time.monotonic() < end and not all(text in shown for text in texts):
        if select.select([terminal], [], [], 0.1)[0]:
            shown += os.read(terminal, 65536).decode(errors="replace")
    return shown


COMPLETES = {"bash": bash_completes, "fish": fish_completes, "zsh": zsh_completes}


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize(
    ("line", "completed"),
    [
        ("apply", ["apply_mipmaps_to_render"]),
        ("generate_mipmaps --input_", ["--input_json", "--input_stack"]),
        ("generate_mipmaps --imgformat p", ["png"]),
        ("export_to_precomputed --z_gaps ", ["fill", "keep"]),
        ("serve_render --data", ["--database"]),
        ("completion z", ["zsh"]),
    ],
)
def test_shells_complete(scripts, shell, line, completed):
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed")
    offered = COMPLETES[shell](scripts, f"asap-ingest {line}", completed)
    assert sorted(offered.split()) == completed


@pytest.mark.parametrize("shell", SHELLS)
def test_scripts_are_what_their_shell_reads(scripts, shell):
    script = (scripts / shell).read_text()
    assert "generate_mipmaps" in script
    assert "input_stack" in script
    if shutil.which(shell):
        subprocess.run([shell, "-n", str(scripts / shell)], check=True)


def test_an_unknown_shell_is_refused(capsys):
    assert main(["cmd"]) == 2
    assert "invalid choice: 'cmd'" in capsys.readouterr().err
