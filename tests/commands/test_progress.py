"""The progress of a command that copies pictures."""

import io

import pytest

from service.commands.progress import ProgressLine


class Terminal(io.StringIO):
    """Output that is a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("output", "written"),
    [
        pytest.param(Terminal(), "\rCopied: 2 of 2 pictures, 3 of 3 MB\n", id="terminal"),
        pytest.param(io.StringIO(), "", id="file, of a moment's work"),
    ],
)
def test_progress_is_one_line_on_a_terminal_and_rare_in_a_file(output: io.StringIO, written: str) -> None:
    line = ProgressLine("Copied", output)
    line(1, 2, 1_500_000, 3_000_000)
    line(2, 2, 3_000_000, 3_000_000)
    assert output.getvalue() == written
