"""Memory budgets of requests in progress: a request claims memory before it uses it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType

from asap_ingest.render_ws.memory.limits import BusyError, Limits, TooLargeError

#: Smaller bodies and answers are not counted.
SMALL = 2**18
#: How long a request waits for others to end before it is refused.
WAIT_SECONDS = 30.0


class MemoryBudget:
    """A number of bytes that threads share by claiming parts of them.

    Parameters
    ----------
    limit : int
        Bytes.
    what : str
        What they are claimed for, a plural such as `the bodies of requests`; for messages.
    setting : str
        Name of the setting of the limit; for messages.
    """

    def __init__(self, limit: int, what: str, setting: str) -> None:
        self.limit = limit
        self.what = what
        self.setting = setting
        self.used = 0
        self.changed = threading.Condition()

    def claim(self) -> Claim:
        """A claim of zero bytes, to be released at the end of a `with`."""
        return Claim(self)


class Claim:
    """The part of a budget that one request holds.

    Only a claim that holds nothing may wait for others: two that hold something could wait for each other.
    """

    def __init__(self, budget: MemoryBudget) -> None:
        self._budget = budget
        self.held = 0

    def __enter__(self) -> Claim:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.settle(0)

    def grow(self, size: int, may_wait: bool = False) -> None:
        """Claim `size` bytes more.

        Raises
        ------
        TooLargeError
            The claim exceeds the budget alone.
        BusyError
            The claim exceeds the budget together with others; the first claim of a request, if it may wait,
            after `WAIT_SECONDS`.
        """
        budget = self._budget
        if self.held + size > budget.limit:
            raise self._refusal(TooLargeError, f"need {self.held + size} bytes for this request")
        seconds = WAIT_SECONDS if may_wait and not self.held else 0
        with budget.changed:
            if not budget.changed.wait_for(lambda: budget.used + size <= budget.limit, seconds):
                others = budget.used - self.held
                raise self._refusal(
                    BusyError,
                    f"need {self.held + size} bytes for this request and {others} for others in progress",
                )
            budget.used += size
            self.held += size

    def settle(self, size: int) -> None:
        """Change the claim to `size` bytes; errors as `grow`."""
        if size > self.held:
            self.grow(size - self.held)
        elif size < self.held:
            with self._budget.changed:
                self._budget.used -= self.held - size
                self._budget.changed.notify_all()
            self.held = size

    def _refusal(self, kind: type[TooLargeError], needed: str) -> TooLargeError:
        return kind(self._budget.what, needed, f"{self._budget.limit} bytes", self._budget.setting)


class RequestMemory:
    """The claims of one request, for its `body` and its `work`, and the size of its answer so far.

    Answers have many parts, so bytes are counted one by one but claimed in larger steps.
    """

    def __init__(self, budgets: ServiceMemory) -> None:
        self._answer_bytes = budgets.limits.answer_bytes
        self.body, self.work = budgets.bodies.claim(), budgets.work.claim()
        self._read = self._written = 0
        # up to this many counted bytes nothing has to be claimed: small answers do not count
        self._covered = min(SMALL, self._answer_bytes)
        self._claimed = 0

    def count_read(self, size: int) -> None:
        """Count bytes that were read from the database for the answer; errors as `Claim.grow`."""
        self._read += size
        if self._read + self._written > self._covered:
            self._cover("the data read for the answer")

    def count_written(self, size: int) -> None:
        """Count bytes of the answer; errors as `Claim.grow`."""
        self._written += size
        if self._read + self._written > self._covered:
            self._cover("the answer")

    def keep_answer(self, size: int) -> None:
        """Claim only the `size` bytes of the answer, until it is sent; errors as `Claim.grow`."""
        self.body.settle(0)
        self.work.settle(size if size > SMALL else 0)

    def _cover(self, what: str) -> None:
        """Claim the counted bytes and a quarter more; TooLargeError, naming `what`, beyond the limit."""
        largest = max(self._read, self._written)
        if largest > self._answer_bytes:
            raise TooLargeError(
                what, f"has at least {largest} bytes", f"{self._answer_bytes} bytes", "max_answer_mb"
            )
        size = self._read + self._written
        covered = size + min(max(SMALL, size // 4), self._answer_bytes - largest)
        self.work.grow(covered - self._claimed)
        self._covered = self._claimed = covered


class ServiceMemory:
    """The budgets of a service."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.bodies = MemoryBudget(limits.bodies_bytes, "the bodies of requests in progress", "max_bodies_mb")
        self.work = MemoryBudget(limits.work_bytes, "parsed bodies, pictures and answers", "max_work_mb")

    @contextmanager
    def request(self) -> Iterator[RequestMemory]:
        """The claims of a request, which are released at the end of a `with`."""
        memory = RequestMemory(self)
        with memory.body, memory.work:
            yield memory
