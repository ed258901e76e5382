"""Completion scripts: real shells complete by them."""

import shutil
import subprocess

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


@pytest.mark.skipif(shutil.which("bash") is None, reason="there is no bash")
@pytest.mark.parametrize(
    ("words", "completed"),
    [
        (["apply"], ["apply_mipmaps_to_render"]),
        (["generate_mipmaps", "--input_"], ["--input_json", "--input_stack"]),
        (["generate_mipmaps", "--imgformat", "p"], ["png"]),
        (["export_to_precomputed", "--z_gaps", ""], ["fill", "keep"]),
        (["serve_render", "--data"], ["--database"]),
        (["completion", "z"], ["zsh"]),
    ],
)
def test_bash_completes(scripts, words, completed):
    asked = ["bash", "-c", ASK, "bash", str(scripts / "bash"), "asap-ingest", *words]
    ran = subprocess.run(asked, capture_output=True, text=True, check=True)
    assert sorted(ran.stdout.split()) == completed, ran.stderr


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
