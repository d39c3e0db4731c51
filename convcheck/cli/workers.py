"""Claims in several processes at once: their outcomes in order, and an end of one process takes no other claim with it.

Workers are forks of this process: claims hold functions and the user's own modules, which cannot be sent, and torch is
not loaded anew.
"""

from __future__ import annotations

import multiprocessing
import signal
import traceback
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess

import torch

from convcheck.catalogue.claims import Claim
from convcheck.cli.jobs import threads_of_each
from convcheck.proof import memory
from convcheck.proof.fault import result_of_fault
from convcheck.proof.run import Outcome, collect, outcome
from convcheck.proof.shared import Shared
from convcheck.proof.verification import begin_result
from convcheck.results import Finding, Kind, Report, Result

Prepare = Callable[[Claim], Claim]


class WorkerFault(Exception):  # noqa: N818 (what it says is a traceback, or how a process ended)
    """What convcheck failed with in another process, as text."""


SMALL = 1 << 24
"""Bytes of a proof up to which it is so short that several are handed out at once."""

MOST_AT_ONCE = 16
"""How many those are at most: neighbours have much in common, and a word to another process takes its time."""


@dataclass
class _Worker:
    """A process, this end of the pipe to it, and the places of the claims that it has yet to answer, in order."""

    process: BaseProcess
    pipe: Connection
    places: deque[int] = field(default_factory=deque)


class _Interrupts:
    """The user's interrupts, which wait while a result is taken or a process starts, so that neither is lost."""

    def __init__(self) -> None:
        self._holding = self._waits = False

    @contextmanager
    def heard(self) -> Iterator[None]:
        """Hear them here, where Python does."""
        if signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
            yield
            return
        signal.signal(signal.SIGINT, self._hear)
        try:
            yield
        finally:
            signal.signal(signal.SIGINT, signal.default_int_handler)

    def _hear(self, *_: object) -> None:
        if not self._holding:
            raise KeyboardInterrupt
        self._waits = True

    @contextmanager
    def held(self) -> Iterator[None]:
        """Have them wait; one that came meanwhile is raised then."""
        before, self._holding = self._holding, True
        try:
            yield
        finally:
            self._holding = before
            if self._waits and not before:
                self._waits = False
                raise KeyboardInterrupt


class Workers:
    """Verifies claims in `jobs` processes; `begin` gets each before it begins, `prepare` may change it there."""

    def __init__(
        self,
        claims: Sequence[Claim],
        jobs: int,
        interrupts: _Interrupts,
        *,
        begin: Callable[[Claim], None],
        prepare: Prepare,
    ) -> None:
        self._claims, self._begin, self._prepare, self._interrupts = claims, begin, prepare, interrupts
        self._waiting, self._done = deque(range(len(claims))), dict[int, Outcome]()
        self._room, self._needs = memory.available(), dict[int, int]()
        self._workers: list[_Worker] = []
        self._jobs = jobs

    def in_order(self) -> Iterator[Outcome]:
        """Yield the outcomes of all claims, in order.

        Raises:
            KeyboardInterrupt: the user interrupts, or code of theirs does in another process.
        """
        while len(self._workers) < self._jobs:
            self._workers.append(self._start())
        for place in range(len(self._claims)):
            while place not in self._done:
                self._hand_out()
                self._receive()
            yield self._done.pop(place)

    def late(self) -> Iterator[Outcome]:
        """Yield, in order, the outcomes that are there and were not yielded yet."""
        with suppress(KeyboardInterrupt):
            while self._receive(timeout=0):
                pass
        for place in sorted(self._done):
            yield self._done[place]

    def stop(self) -> None:
        """End all processes, whatever they are at."""
        for worker in self._workers:
            worker.process.kill()
            worker.process.join()
            worker.pipe.close()
        self._workers = []

    def _start(self) -> _Worker:
        context = multiprocessing.get_context("fork")
        here, there = context.Pipe()
        # Of an interrupt, which a terminal sends to all, this process alone is to hear, even before the others say so.
        with self._interrupts.held():
            inherited = [here, *(worker.pipe for worker in self._workers)]
            process = context.Process(target=_work, args=(self._claims, self._prepare, there, inherited), daemon=True)
            process.start()
        there.close()
        return _Worker(process, here)

    def _hand_out(self) -> None:
        """Give the next claims to workers that are idle, as far as memory reaches for all that are verified at once."""
        for worker in self._workers:
            while not worker.places and self._waiting:
                others = sum(max(map(self._need, other.places)) for other in self._workers if other.places)
                if others and others + self._need(self._waiting[0]) > self._room:
                    return
                worker.places.extend(place for place in self._next() if self._announced(place))
                # One that has ended is noticed where its answer is read.
                with suppress(OSError):
                    worker.pipe.send(list(worker.places))

    def _next(self) -> list[int]:
        """Take the next claim of those that wait; if it is a small one, some of those behind it as well."""
        most = min(MOST_AT_ONCE, len(self._waiting) // (2 * self._jobs))
        places = [self._waiting.popleft()]
        while len(places) < most and all(map(self._is_small, (places[-1], self._waiting[0]))):
            places.append(self._waiting.popleft())
        return places

    def _need(self, place: int) -> int:
        """Return about how many bytes a proof takes; 0 where that is not known before it runs, or fails there again."""
        if place not in self._needs:
            claim, self._needs[place] = self._claims[place], 0
            with suppress(Exception):
                self._needs[place] = 0 if claim.refusals or claim.case.has_code else memory.needed(claim)
        return self._needs[place]

    def _is_small(self, place: int) -> bool:
        case = self._claims[place].case
        return not case.all_sizes and case.candidate is None and self._need(place) <= SMALL

    def _announced(self, place: int) -> bool:
        """Tell that a claim begins; return whether that could be done."""
        try:
            self._begin(self._claims[place])
        except Exception as error:
            self._done[place] = Outcome(result_of_fault(self._claims[place], error), error)
            return False
        return True

    def _receive(self, timeout: float | None = None) -> bool:
        """Take the outcomes that come, replace what ended, and return whether any came; wait for one, or so long."""
        busy = {worker.pipe: worker for worker in self._workers if worker.places}
        ready = wait(list(busy), timeout) if busy else []
        for pipe in ready:
            worker = busy[pipe]  # type: ignore[index]  # these are the pipes that were handed in
            with self._interrupts.held():
                place = worker.places.popleft()
                try:
                    result, fault = worker.pipe.recv()
                except (EOFError, OSError):
                    self._waiting.extendleft(reversed(worker.places))
                    self._done[place] = self._replace(worker, self._claims[place])
                    continue
                if result is None:
                    raise KeyboardInterrupt
                self._done[place] = Outcome(result, None if fault is None else WorkerFault(fault))
        return bool(ready)

    def _replace(self, worker: _Worker, claim: Claim) -> Outcome:
        """Start another process in place of one that ended, and return the outcome of the claim that it was at."""
        worker.process.join()
        worker.pipe.close()
        text = f"the process that verified it {_end(worker.process.exitcode)}, which says nothing about the layer"
        self._workers.remove(worker)
        self._workers.append(self._start())
        result = replace(begin_result(claim), reasons=(Finding(Kind.FAULT, text),))
        return Outcome(result, WorkerFault(f"{claim.id}: {text}"))


def _work(claims: Sequence[Claim], prepare: Prepare, pipe: Connection, inherited: Sequence[Connection]) -> None:
    """Verify claims whose places come through the pipe, until it is closed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    for other in inherited:
        # Held open here, they would never tell the others that the program has ended.
        other.close()
    shared = Shared()
    with suppress(EOFError, BrokenPipeError, ConnectionResetError):
        while True:
            for place in pipe.recv():
                try:
                    done = outcome(claims[place], prepare, shared)
                except KeyboardInterrupt:
                    pipe.send((None, None))
                    break
                fault = None if done.fault is None else "".join(traceback.format_exception(done.fault))
                pipe.send((done.result, fault))


def _end(code: int | None) -> str:
    if code is not None and code < 0:
        with suppress(ValueError):
            return f"was ended by {signal.Signals(-code).name}"
    return f"ended by itself with {code}"


def run_in_processes(
    claims: Sequence[Claim],
    *,
    jobs: int,
    max_failures: int | None,
    begin: Callable[[Claim], None],
    finish: Callable[[Result], None],
    fail: Callable[[Exception], None],
    prepare: Prepare,
    keep: Callable[[Result], Result],
    complete: Callable[[Result], Result],
) -> Report:
    """Verify the claims as `proof.run.run` does, in so many processes."""
    before = torch.get_num_threads()
    # Forks have as many.
    torch.set_num_threads(threads_of_each(jobs))
    interrupts = _Interrupts()
    workers = Workers(claims, jobs, interrupts, begin=begin, prepare=prepare)
    try:
        with interrupts.heard():
            return collect(
                claims,
                workers.in_order(),
                max_failures=max_failures,
                finish=finish,
                fail=fail,
                keep=keep,
                complete=complete,
                late=workers.late,
            )
    finally:
        workers.stop()
        torch.set_num_threads(before)
