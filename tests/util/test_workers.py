"""Work in other processes: order, few results ahead, and the loss of a worker."""

import logging
import multiprocessing
import os
import signal
import subprocess
import sys
import time

import cv2

from tests.conftest import ROOT
from util.errors import UserError
from util.workers import OrderedWorkers, become_worker

logger = logging.getLogger("work")


def work(number: int) -> int:
    """The square of a number, with one fault of each kind on the way."""
    if number == 0:
        time.sleep(0.2)  # Later results must wait for it.
    if number == 2:
        logger.warning("%d is small", number)
    if number == 3:
        raise UserError("3: give a larger one")
    if number == 4:
        os.kill(os.getpid(), signal.SIGKILL)
    if number == 5:
        raise ZeroDivisionError("five")
    return number**2


def test_bad_items_and_a_lost_worker_do_not_end_the_others(caplog):
    with OrderedWorkers(work, range(12), 2, "squared") as outcomes:
        results = list(outcomes)
    assert [outcome.result for outcome in results] == [n**2 if n not in (3, 4, 5) else None for n in range(12)]
    assert results[3].error == "3: give a larger one"
    assert results[4].error == "the process that squared it was killed (SIGKILL)"
    assert results[5].error == "ZeroDivisionError: five"
    assert results[2].warnings == ["2 is small"]
    assert [record.getMessage() for record in caplog.records] == ["2 is small"], "it is logged here, and once"
    assert not multiprocessing.active_children()


def serve(connection) -> None:
    become_worker()
    connection.send("ready")
    time.sleep(60)


def test_a_worker_that_nobody_ends_does_not_hold_the_command_up():
    start = "from util.workers import start_worker; from tests.util.test_workers import serve"
    code = f"{start}; start_worker(serve)[1].recv(); raise SystemExit(7)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, timeout=30, check=False)
    assert done.returncode == 7


def test_workers_are_few_items_ahead():
    taken = []
    items = (taken.append(number) or number for number in range(10, 1000))
    with OrderedWorkers(work, items, 2, "squared") as outcomes:
        first = next(iter(outcomes))
        assert (first.result, first.error) == (100, None)
        assert len(taken) <= 8
    assert not multiprocessing.active_children()


def test_without_workers_this_process_works(caplog):
    with OrderedWorkers(work, (1, 2, 3, 5), 0, "squared") as outcomes:
        results = list(outcomes)
    assert [(outcome.result, outcome.error) for outcome in results] == [
        (1, None),
        (4, None),
        (None, "3: give a larger one"),
        (None, "ZeroDivisionError: five"),
    ]
    assert results[1].warnings == [record.getMessage() for record in caplog.records] == ["2 is small"]


def opencv_threads(_number: int) -> int:
    return cv2.getNumThreads()


def test_opencv_has_no_threads_when_a_worker_is_forked():
    """Once, workers of a process that had used OpenCV before waited for ever when they changed its threads."""
    cv2.setNumThreads(2)
    with OrderedWorkers(opencv_threads, [1, 2], 2, "counted") as outcomes:
        assert cv2.getNumThreads() == 1
        assert [outcome.result for outcome in outcomes] == [1, 1]
