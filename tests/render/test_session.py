"""What a session with a render service survives, against real sockets that break."""

import socket
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from asap_ingest.errors import ServiceUnreachableError
from asap_ingest.execution import executor
from asap_ingest.render.session import RenderSession

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n[]"
RESET = struct.pack("ii", 1, 0)


class Breaking:
    """A server that spoils its first connections in the way asked for, and then answers."""

    def __init__(self, listening: socket.socket, spoil, times: int) -> None:
        self.url = f"http://127.0.0.1:{listening.getsockname()[1]}/render-ws/v1"
        self.requests = 0
        self._listening, self._spoil, self._times = listening, spoil, times

    def run(self) -> None:
        while True:
            try:
                connection, _ = self._listening.accept()
            except OSError:  # closed: the test is over
                return
            connection.recv(10_000)
            self.requests += 1
            if self.requests <= self._times:
                self._spoil(connection)
            else:
                connection.sendall(ANSWER)
                connection.close()


def reset(connection: socket.socket) -> None:
    """As the system does with the connections of a process that was killed."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
    connection.close()


def hang_up(connection: socket.socket) -> None:
    connection.close()


def cut_the_answer(connection: socket.socket) -> None:
    connection.sendall(ANSWER[:-1])
    connection.close()


_silent = []


def say_nothing(connection: socket.socket) -> None:
    _silent.append(connection)


@contextmanager
def breaking(spoil, times: int) -> Iterator[Breaking]:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        server = Breaking(listening, spoil, times)
        thread = threading.Thread(target=server.run, daemon=True)
        thread.start()
        yield server
        listening.shutdown(socket.SHUT_RDWR)
        thread.join()
    while _silent:
        _silent.pop().close()


@pytest.mark.parametrize("spoil", [reset, hang_up, cut_the_answer])
def test_connections_that_break_several_times_cost_nothing(spoil):
    with breaking(spoil, times=3) as server:
        assert RenderSession().get(server.url).json() == []
    assert server.requests == 4


def test_a_service_that_says_nothing_is_asked_twice():
    with breaking(say_nothing, times=9) as server:
        with pytest.raises(ServiceUnreachableError, match="no render service answers"):
            RenderSession().get(server.url, timeout=(5, 1))
        time.sleep(0.5)  # a third one would have come
        assert server.requests == 2


def test_one_lost_answer_costs_nothing():
    with breaking(say_nothing, times=1) as server:
        assert RenderSession().get(server.url, timeout=(5, 2)).json() == []


def test_an_answer_that_is_always_cut_is_none():
    with (
        breaking(cut_the_answer, times=99) as server,
        pytest.raises(ServiceUnreachableError, match="Chunked"),
    ):
        RenderSession().get(server.url)


def seconds_of_waiting(url: str) -> float:
    begin = time.monotonic()
    with pytest.raises(ServiceUnreachableError):
        RenderSession().get(url)
    return time.monotonic() - begin


@pytest.mark.long
@pytest.mark.slow
@pytest.mark.parametrize("dask_scheduler", [None, "local"])
def test_a_worker_waits_for_a_service_that_has_answered_its_parent(closed_port, dask_scheduler):
    url = f"http://127.0.0.1:{closed_port}/render-ws/v1"
    assert seconds_of_waiting(url) < 6
    (outcome,) = executor(2, dask_scheduler).run(seconds_of_waiting, [url])
    assert outcome.error is None
    assert outcome.value > 12
