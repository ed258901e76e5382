"""Progress: a bar where a person looks, lines of JSON where a log is kept, nothing for short runs."""

import fcntl
import io
import json
import os
import pty
import struct
import subprocess
import sys
import termios
import threading
from datetime import datetime

import pytest

from asap_ingest.execution.progress import Progress


class Clock:
    """Time that passes only when told to."""

    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


def lines(stream):
    progress = [json.loads(line)["progress"] for line in stream.getvalue().splitlines()]
    for line in progress:
        datetime.fromisoformat(line.pop("time"))
    return progress


def test_a_line_of_json_every_few_seconds(clock):
    stream = io.StringIO()
    with Progress(stream=stream, interval_s=5, clock=clock) as progress:
        progress.expect(300)
        progress.expect(100)
        for _ in range(20):
            clock.now += 1
            progress.advance(count=10, bytes_=120_000_000, failures=1)
    assert [line["tiles"] for line in lines(stream)] == [50, 100, 150, 200]
    assert lines(stream)[0] == {
        "tiles": 50,
        "of": 400,
        "tiles_per_s": 10.0,
        "mb_per_s": 120.0,
        "eta_s": 35,
        "failures": 5,
    }


def test_a_run_shorter_than_the_interval_prints_nothing(clock):
    stream = io.StringIO()
    with Progress(stream=stream, clock=clock) as progress:
        progress.expect(5000)
        for _ in range(5000):
            progress.advance()
        clock.now += 4.9
        progress.advance()
        clock.now += 1000
    assert stream.getvalue() == ""


def test_a_job_without_news_delays_the_line(clock):
    stream = io.StringIO()
    with Progress(stream=stream, interval_s=5, clock=clock) as progress:
        for step in (60, 1, 4):
            clock.now += step
            progress.advance()
    assert [line["tiles"] for line in lines(stream)] == [1, 3]


def test_what_was_there_already_says_nothing_of_the_rate(clock):
    stream = io.StringIO()
    with Progress(stream=stream, interval_s=5, clock=clock) as progress:
        progress.expect(10_000)
        clock.now += 1
        progress.skip(9_000)
        for _ in range(100):
            clock.now += 1
            progress.advance(count=2, bytes_=3_000_000)
    last = lines(stream)[-1]
    assert (last["tiles_per_s"], last["mb_per_s"]) == (2.0, 3.0)
    assert last["eta_s"] == (10_000 - last["tiles"]) / 2


def test_the_time_left_is_right_within_a_factor_of_two_from_the_first_tenth_on(clock):
    """Workers that take two seconds to start, 50 sections of 9 tiles, each with a pause for its upload."""
    stream, ends = io.StringIO(), []
    with Progress(stream=stream, interval_s=0.5, clock=clock) as progress:
        progress.expect(450)
        clock.now += 2
        for tile in range(450):
            clock.now += 0.4 if tile % 9 == 0 else 0.02 + 0.02 * (tile % 3)
            progress.advance()
            ends.append(clock.now)
    told = [line for line in lines(stream) if 45 <= line["tiles"] < 440]
    assert len(told) > 20
    for line in told:
        left = ends[-1] - ends[line["tiles"] - 1]
        assert left / 2 - 1 <= line["eta_s"] <= 2 * left + 1, line


def test_lines_name_section_stack_and_z(clock):
    stream = io.StringIO()
    with Progress(stream=stream, interval_s=0, clock=clock) as progress:
        progress.at(12, 50, "raw", 7.0)
        progress.advance()
    (line,) = lines(stream)
    assert {name: line[name] for name in ("section", "sections", "stack", "z")} == {
        "section": 12,
        "sections": 50,
        "stack": "raw",
        "z": 7.0,
    }


def test_without_a_rate_there_is_no_estimate(clock):
    stream = io.StringIO()
    with Progress(stream=stream, interval_s=5, clock=clock) as progress:
        progress.expect(3)
        clock.now += 5
        progress.advance(count=0)
        clock.now += 5
        progress.advance(count=4)  # more than was expected
    first, second = lines(stream)
    assert (first["tiles_per_s"], first["eta_s"]) == (0.0, None)
    assert (second["tiles"], second["of"], second["eta_s"]) == (4, 4, 0)


def test_the_first_call_may_come_at_once(clock):
    stream = io.StringIO()
    with Progress(noun="image", stream=stream, interval_s=0, clock=clock) as progress:
        progress.advance()
    assert lines(stream)[0]["images"] == 1


def test_a_reader_that_is_gone_does_not_stop_the_work(clock):
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "wb", buffering=0) as pipe:
        stream = io.TextIOWrapper(pipe, write_through=True)
        with Progress(stream=stream, interval_s=1, clock=clock) as progress:
            for _ in range(3):
                clock.now += 2
                progress.advance()
        stream.detach()


def on_terminal(work, columns=120):
    """What a real terminal shows of `work(stream)`."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
    with os.fdopen(theirs, "w") as stream:
        work(stream)
    shown = b""
    while True:
        try:
            part = os.read(ours, 65536)
        except OSError:  # how Linux says that the other end is closed
            break
        shown += part
        if not part:
            break
    os.close(ours)
    return shown.decode()


@pytest.mark.parametrize("columns", [120, 0], ids=["120 columns", "width not known"])
def test_a_bar_on_a_terminal(clock, columns):
    def work(stream):
        with Progress(stream=stream, clock=clock) as progress:
            progress.expect(80)
            for _ in range(20):
                clock.now += 1
                progress.advance(count=2, bytes_=24_000_000, failures=int(clock.now) % 2)

    last = on_terminal(work, columns).strip().rpartition("\r")[2]
    assert last.startswith(" 50%|")
    assert "40/80 tiles, 2.0 tiles/s, 24 MB/s, ETA 00:20, 10 failures" in last


def test_the_bar_names_the_section(clock):
    def work(stream):
        with Progress(stream=stream, clock=clock) as progress:
            progress.expect(2)
            progress.at(12, 50, "raw", 7.0)
            clock.now += 1
            progress.advance()

    assert "section 12 of 50,  50%|" in on_terminal(work)


def test_an_error_leaves_the_bar_and_passes():
    def work(stream):
        with pytest.raises(KeyError), Progress(stream=stream) as progress:
            progress.expect(2)
            progress.advance(failures=1)
            raise KeyError

    assert "1/2 tiles" in on_terminal(work)


def test_the_bar_starts_no_thread():
    before = threading.active_count()

    def work(stream):
        with Progress(stream=stream) as progress:
            progress.expect(2)
            progress.advance()
            assert threading.active_count() == before

    on_terminal(work)


@pytest.mark.slow
def test_standard_error_is_what_is_written_to():
    program = (
        "from asap_ingest.execution.progress import Progress\n"
        "with Progress(interval_s=0) as progress:\n"
        "    progress.expect(2)\n"
        "    progress.advance(bytes_=5)\n"
    )
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert ran.stdout == ""
    assert json.loads(ran.stderr)["progress"]["tiles"] == 1
