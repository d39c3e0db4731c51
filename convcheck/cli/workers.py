"""Claims in several processes at once: their outcomes in order, and an end of one process takes no other claim with it.

Workers are forks of this process: claims hold functions and the user's own modules, which cannot be sent, and torch is
not loaded anew.
"""

from __future__ import annotations

import multiprocessing
import signal
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess

import torch

from convcheck.catalogue.claims import Claim
from convcheck.cli.jobs import threads_of_each
from convcheck.proof import memory
from convcheck.proof.fault import result_of_fault
from convcheck.proof.run import Outcome, collect, outcome
from convcheck.proof.verification import begin_result
from convcheck.results import Finding, Kind, Report, Result

Prepare = Callable[[Claim], Claim]


class WorkerFault(Exception):  # noqa: N818 (what it says is a traceback, or how a process ended)
    """What convcheck failed with in another process, as text."""


@dataclass
class _Worker:
    """A process, this end of the pipe to it, and the place of the claim that it verifies, if any."""

    process: BaseProcess
    pipe: Connection
    place: int | None = None


class Workers:
    """Verifies claims in `jobs` processes; `begin` gets each before it begins, `prepare` may change it there."""

    def __init__(self, claims: Sequence[Claim], jobs: int, *, begin: Callable[[Claim], None], prepare: Prepare) -> None:
        self._claims, self._begin, self._prepare = claims, begin, prepare
        self._next, self._done = 0, dict[int, Outcome]()
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
            self._receive(timeout=0)
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
        with _interrupts_wait():
            inherited = [here, *(worker.pipe for worker in self._workers)]
            process = context.Process(target=_work, args=(self._claims, self._prepare, there, inherited), daemon=True)
            process.start()
        there.close()
        return _Worker(process, here)

    def _hand_out(self) -> None:
        """Give the next claims to workers that are idle, as far as memory reaches for all that are verified at once."""
        for worker in self._workers:
            while worker.place is None and self._next < len(self._claims):
                place, claim = self._next, self._claims[self._next]
                self._needs[place] = _need(claim)
                others = sum(self._needs[other.place] for other in self._workers if other.place is not None)
                if others and others + self._needs[place] > self._room:
                    return
                self._next += 1
                try:
                    self._begin(claim)
                except Exception as error:
                    self._done[place] = Outcome(result_of_fault(claim, error), error)
                    continue
                worker.place = place
                # One that has ended is noticed where its answer is read.
                with suppress(OSError):
                    worker.pipe.send(place)

    def _receive(self, timeout: float | None = None) -> None:
        """Take the outcomes that come, and replace what ended; without a timeout, wait for one."""
        busy = {worker.pipe: worker for worker in self._workers if worker.place is not None}
        for pipe in wait(list(busy), timeout) if busy else ():
            worker = busy[pipe]  # type: ignore[index]  # these are the pipes that were handed in
            place, worker.place = worker.place, None
            assert place is not None
            try:
                result, fault = worker.pipe.recv()
            except (EOFError, OSError):
                self._done[place] = self._replace(worker, self._claims[place])
                continue
            if result is None:
                raise KeyboardInterrupt
            self._done[place] = Outcome(result, None if fault is None else WorkerFault(fault))

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
    signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGINT])
    for other in inherited:
        # Held open here, they would never tell the others that the program has ended.
        other.close()
    with suppress(EOFError, BrokenPipeError, ConnectionResetError):
        while True:
            try:
                done = outcome(claims[pipe.recv()], prepare)
            except KeyboardInterrupt:
                pipe.send((None, None))
                continue
            fault = None if done.fault is None else "".join(traceback.format_exception(done.fault))
            pipe.send((done.result, fault))


@contextmanager
def _interrupts_wait() -> Iterator[None]:
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _need(claim: Claim) -> int:
    """Return about how many bytes a proof takes; 0 where that is not known before it runs, or fails there again."""
    with suppress(Exception):
        return 0 if claim.refusals or claim.case.has_code else memory.needed(claim)
    return 0


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
) -> Report:
    """Verify the claims as `proof.run.run` does, in so many processes."""
    before = torch.get_num_threads()
    # Forks have as many.
    torch.set_num_threads(threads_of_each(jobs))
    workers = Workers(claims, jobs, begin=begin, prepare=prepare)
    try:
        return collect(
            claims,
            workers.in_order(),
            max_failures=max_failures,
            finish=finish,
            fail=fail,
            keep=keep,
            late=workers.late,
        )
    finally:
        workers.stop()
        torch.set_num_threads(before)
