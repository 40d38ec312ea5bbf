"""Ours: a peer's figures are those of its processes."""

import asyncio
import os
import sys
import time

from benchmarks.serving import Served, free_port


async def test_processes_that_a_peer_started_count_with_it() -> None:
    work = "sum(range(3_000_000))"  # several of the ticks in which the system counts
    child = f"{work}; print(1, flush=True); input()"
    code = f"{work}; import subprocess, sys; subprocess.run([sys.executable, '-c', {child!r}])"
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", code, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    await process.stdout.readline()
    peer = Served(0, process.pid)
    assert len(peer.pids()) == 2
    assert peer.all_mb() > 1
    assert peer.all_cpu_s() > 0
    assert peer.cpu_s() > 0
    await process.communicate(b"\n")


def test_processor_time_and_memory_are_those_of_the_process() -> None:
    me = Served(0, os.getpid())
    before, before_all, cpu = me.loop_cpu_s(), me.cpu_s(), time.process_time()
    while time.process_time() - cpu < 0.05:
        pass
    assert me.loop_cpu_s() - before >= 0.02
    assert me.cpu_s() - before_all >= 0.02
    assert me.peak_mb() >= me.rss_mb() > 10


def test_a_free_port_is_one_that_nobody_listens_on() -> None:
    assert 1024 < free_port() < 65536
