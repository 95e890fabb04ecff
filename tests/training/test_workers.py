"""Processes that compose scenes end with the one that they compose for."""

import multiprocessing
import os
import queue
import signal
import time

import pytest

from imkit.training import workers


def test_what_is_made_waits_for_room():
    out = queue.Queue(1)
    workers.hand_over(out, 1)
    assert out.get_nowait() == 1


def fill(out, told):
    workers.WATCH_S = 0.05
    told.put(os.getpid())
    while True:
        workers.hand_over(out, bytes(1000))


def own(told):
    context = multiprocessing.get_context("spawn")
    out = context.Queue(1)
    context.Process(target=fill, args=(out, told), daemon=True).start()
    time.sleep(600)


def test_a_worker_whose_owner_was_killed_ends():
    context = multiprocessing.get_context("spawn")
    told = context.Queue()
    owner = context.Process(target=own, args=(told,))
    owner.start()
    try:
        pid = told.get(timeout=120)
        time.sleep(0.3)
    finally:
        os.kill(owner.pid, signal.SIGKILL)
        owner.join()
    for _ in range(400):
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return
        time.sleep(0.05)
    os.kill(pid, signal.SIGKILL)
    pytest.fail("it went on for nobody")
