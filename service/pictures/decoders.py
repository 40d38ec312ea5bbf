"""Decoding in processes of its own, within limits of memory and time: the service itself opens no picture.

A decoder runs other people's C code on other people's bytes. It may crash, go on for ever, or take all memory; then it
is killed, the caller reads which limit that was, and the next picture gets a new decoder.

1. The header tells how much memory a picture needs; one that needs more than is allowed is refused at once.
2. It waits for its turn (`decoding_queue.py`), as the bytes it came in.
3. A decoder takes it. Decoders start when they are needed, `DECODERS` at most, and go when there was nothing to do for
   `IDLE_S`. One that decoded a large picture goes at once, and its memory with it.
4. A thread waits at the pipes, so that megabytes pass beside the event loop, on every system and kind of loop. Killing
   the process ends its wait; a cancelled caller and a stop of the service do that.

No library of process pools (pebble, anyio, `concurrent.futures`) is used. They send Python objects as pickles, by which
a decoder that was taken over would run code in the service, and they load all modules of the main program again.
"""

import asyncio
import contextlib
import io
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from service.images import FORMATS, ReferenceRules
from service.pictures.decoding_queue import DecodingQueue, Lane
from service.pictures.messages import (
    MAX_PIXELS,
    BadPictureError,
    ConvertedPicture,
    Examined,
    JpegCopy,
    MarkedCopy,
    ReadMask,
    V,
    read_answer,
    read_head,
    read_strings,
    too_many_pixels,
    write_message,
)
from service.pictures.sniffing import convertible, memory_needed, sniff, stored_size
from service.profiles import THUMBNAIL_BYTES

DECODERS: Final = 3
"""One for a picture that is paid for, and two for those of two callers. Each takes 35 MB between pictures."""

IDLE_S: Final = 60.0
USUAL_BYTES: Final = 450_000_000
"""Memory for one picture that is not large: one of 17 million pixels, of whatever type (measured: 380 MB)."""

LARGEST_CONVERTED: Final = 4 * MAX_PIXELS
"""Bytes by which an answer may be longer than the picture: it may have been converted, to RGBA without compression."""

CLOCK_FACTOR: Final = 3
"""Seconds by the clock for one of processor time, on a machine that has other things to do."""

OUT_OF_TIME: Final = int(getattr(signal, "SIGXCPU", 0))
"""The signal that ends a process which used up its processor time; Windows has none."""

KILLED: Final = int(getattr(signal, "SIGKILL", 0))

SENT_VARIABLES: Final = (
    "PATH", "SYSTEMROOT", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "PYTHONHOME", "PYTHONDONTWRITEBYTECODE",
)  # fmt: skip
"""Variables of the environment that a decoder gets, since Python may not start without; none holds a secret."""

MALLOC: Final[Mapping[str, str]] = {
    "MALLOC_ARENA_MAX": "2",
    "MALLOC_MMAP_THRESHOLD_": str(32 * 1024**2),
    "MALLOC_TRIM_THRESHOLD_": str(64 * 1024**2),
}
"""See mallopt(3). The memory of one picture serves the next: giving it back and asking again takes 8 ms (measured)."""

COMMAND: Final = (sys.executable, "-S", "-P", "-m", "service.pictures.decoder_process")
"""Without the `site` module, whose work is done: the decoder is given the paths of the service's own modules."""


@dataclass(frozen=True, kw_only=True)
class DecodeLimits:
    """Limits for one picture: bytes of memory, and seconds of processor time."""

    memory_bytes: int = 800_000_000
    cpu_s: float = 20.0


class DecoderEndedError(Exception):
    """A decoder process ended in the middle of a task; `code` is its exit code, negative for a signal."""

    def __init__(self, code: int, words: str) -> None:
        """Keep the last line that it wrote to its standard error."""
        super().__init__(f"a decoder ended with {code}: {words}")
        self.code = code


class DecoderProcess:
    """One decoder. It starts with its first task; `exchange` and `reap` block. `retirement` ends one without work."""

    def __init__(self) -> None:
        """Start nothing yet."""
        self.retirement: asyncio.TimerHandle | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._is_killed = False
        self._in_use = threading.RLock()

    @property
    def is_alive(self) -> bool:
        """Tell that it can take a task."""
        return not self._is_killed and (self._process is None or self._process.poll() is None)

    def exchange(self, task: Mapping[str, Any], *strings: bytes) -> tuple[dict[str, Any], list[bytes]]:
        """Send a task and return its answer. Raises `DecoderEndedError`, and leaves no process behind then."""
        with self._in_use:
            if self._process is None:
                try:
                    self._process = _start()
                except OSError as error:
                    raise DecoderEndedError(1, f"it could not be started: {error}") from error
            if self._is_killed:  # while it started
                self._process.kill()
            assert self._process.stdin is not None  # noqa: S101 - asked for
            assert self._process.stdout is not None  # noqa: S101 - asked for
            try:
                write_message(self._process.stdin, task, *strings)
                answer = read_head(self._process.stdout)
                most = sum(map(len, strings)) + LARGEST_CONVERTED
                return answer, read_strings(self._process.stdout, answer, most=most)
            except (OSError, EOFError, ValueError) as error:
                self.kill()
                raise DecoderEndedError(*self.reap()) from error

    def kill(self) -> None:
        """End the process at once, whatever it does."""
        self._is_killed = True
        if self._process is not None:
            self._process.kill()

    def reap(self) -> tuple[int, str]:
        """Wait for the end of a process that was killed or has ended; return its exit code and its last words."""
        with self._in_use:
            if self._process is None:
                return 0, ""
            code = self._process.wait()
            with self._process.stderr or io.BytesIO() as words:
                last = words.read().decode(errors="replace").strip().rpartition("\n")[2]
            for pipe in filter(None, (self._process.stdin, self._process.stdout)):
                with contextlib.suppress(OSError):  # of a task that was half written
                    pipe.close()
            self._process = None
            return code, last


class Decoders:
    """Decodes pictures. Its owner calls `stop` when no more are wanted, and closes it at the end."""

    def __init__(self, limits: DecodeLimits | None = None, idle_s: float = IDLE_S) -> None:
        """Start nothing yet."""
        self._limits = limits or DecodeLimits()
        self._idle_s = idle_s
        self._queue = DecodingQueue(DECODERS)
        self._threads = ThreadPoolExecutor(DECODERS, thread_name_prefix="decoder")
        self._decoders: set[DecoderProcess] = set()
        self._free: list[DecoderProcess] = []
        self._is_stopped = False

    async def examine(self, owner: str, data: bytes, *, is_paid: bool = True) -> Examined:
        """Decode a picture and draw its preview, with a thumbnail for clients that take no more.

        One that an image service has just drawn, which is paid for, goes before all others. Raises `BadPictureError`.
        """
        lane = Lane.PAID if is_paid else Lane.OTHER
        return await self._run(Examined, lane, owner, data, "examine", thumbnail_bytes=THUMBNAIL_BYTES)

    async def take_in(self, owner: str, data: bytes) -> Examined:
        """Examine a picture that a caller gives; it is to be kept without metadata. Raises `BadPictureError`."""
        return await self._run(Examined, Lane.OTHER, owner, data, "take_in")

    async def copy(self, owner: str, data: bytes, max_bytes: int) -> JpegCopy:
        """Return a JPEG of at most `max_bytes` of a picture that is kept. Raises `BadPictureError`."""
        return await self._run(JpegCopy, Lane.OTHER, owner, data, "copy", max_bytes=max_bytes)

    async def shrink(self, owner: str, preview: bytes, max_bytes: int) -> bytes:
        """Return a preview that is larger in at most `max_bytes`. Raises `BadPictureError`."""
        return (await self._run(JpegCopy, Lane.OTHER, owner, preview, "shrink", max_bytes=max_bytes)).data

    async def convert(self, owner: str, data: bytes, rules: ReferenceRules) -> ConvertedPicture:
        """Return a picture as a model of these rules takes it. Raises `BadPictureError`."""
        limits = {"most_bytes": rules.most_bytes, "most_pixels": rules.most_pixels}
        accepted = sorted(rules.types)
        return await self._run(ConvertedPicture, Lane.OTHER, owner, data, "convert", accepted=accepted, **limits)

    async def derive(self, owner: str, data: bytes, width: int, media_type: str, *, is_asked: bool = True) -> bytes:
        """Return a smaller copy of a picture that is kept. Raises `BadPictureError`."""
        arguments, lane = {"width": width, "media_type": media_type}, Lane.OTHER if is_asked else Lane.AHEAD
        return (await self._run(ConvertedPicture, lane, owner, data, "derive", **arguments)).data

    async def read_mask(self, owner: str, mask: bytes, picture: bytes) -> ReadMask:
        """Read the mask of a picture. Raises `BadPictureError`."""
        return await self._run(ReadMask, Lane.OTHER, owner, mask, "read_mask", picture)

    async def alpha_mask(self, owner: str, mask: bytes, size: tuple[int, int], most_bytes: int) -> ConvertedPicture:
        """Return a mask that was read as a PNG of this size, transparent where its picture is to change."""
        arguments = {"width": size[0], "height": size[1], "most_bytes": most_bytes}
        return await self._run(ConvertedPicture, Lane.OTHER, owner, mask, "alpha_mask", **arguments)

    async def marked_copy(self, owner: str, picture: bytes, mask: bytes) -> MarkedCopy:
        """Return a small copy of a picture with the region of its mask marked."""
        return await self._run(MarkedCopy, Lane.OTHER, owner, picture, "marked_copy", mask)

    def stop(self) -> None:
        """Kill all decoders. What they work on, waits, or is given later, raises `BadPictureError` (`undecoded`)."""
        self._is_stopped = True
        for each in self._decoders:
            each.kill()

    async def close(self) -> None:
        """Stop, and wait until the processes and threads have gone, which takes milliseconds."""
        self.stop()
        await asyncio.to_thread(self._end)

    def _end(self) -> None:
        for each in self._decoders:
            each.reap()
        self._threads.shutdown()

    async def _run(
        self, value: type[V], lane: Lane, owner: str, data: bytes, work: str, *others: bytes, **arguments: Any
    ) -> V:
        need = self._need(data)
        async with self._queue.place(lane, owner, large=need > USUAL_BYTES):
            if self._is_stopped:
                raise _stopped(data)
            memory = self._limits.memory_bytes if need > USUAL_BYTES else min(USUAL_BYTES, self._limits.memory_bytes)
            task = {"work": work, "arguments": arguments, "memory_bytes": memory, "cpu_s": self._limits.cpu_s}
            answer, strings = await self._answer(task, data, *others)
        try:
            return read_answer(value, answer, strings, data)
        except ValueError as error:
            raise _crashed(data, error) from error

    async def _answer(self, task: Mapping[str, Any], data: bytes, *others: bytes) -> tuple[dict[str, Any], list[bytes]]:
        """Have a decoder do a task. Whatever ends the wait early also ends the decoder."""
        decoder = self._take()
        try:
            waiting = asyncio.get_running_loop().run_in_executor(self._threads, decoder.exchange, task, data, *others)
            async with asyncio.timeout(self._limits.cpu_s * CLOCK_FACTOR):
                answer = await waiting
        except (TimeoutError, DecoderEndedError, asyncio.CancelledError, RuntimeError) as error:
            self._retire(decoder)
            match error:
                case asyncio.CancelledError() | RuntimeError():  # the latter: the system starts no thread
                    raise
                case _ if self._is_stopped:
                    raise _stopped(data) from error
                case DecoderEndedError(code=code) if code != -OUT_OF_TIME:
                    raise _crashed(data, error) from error
                case _:
                    raise self._too_slow(data) from error
        self._give_back(decoder, keep=task["memory_bytes"] <= USUAL_BYTES)
        return answer

    def _need(self, data: bytes) -> int:
        """Return the memory that a picture needs by its header; the most there is where it does not tell."""
        media_type = sniff(data) or ""
        width, height = stored_size(data, media_type) or (0, 0)
        if width * height > MAX_PIXELS:
            raise too_many_pixels()
        is_unknown = not (width and height) and (media_type or convertible(data))
        need = self._limits.memory_bytes if is_unknown else memory_needed(data, media_type)
        if need > self._limits.memory_bytes:
            problem = (
                f"takes about {need // 1_000_000} MB of memory to decode, and {self._limits.memory_bytes // 1_000_000} "
                "MB are allowed (EASEL_DECODE_MEMORY_MB)"
            )
            raise BadPictureError(_subject(data), problem, "too_complex")
        return need

    def _too_slow(self, data: bytes) -> BadPictureError:
        problem = f"takes more than {self._limits.cpu_s:g} s to decode (EASEL_DECODE_S)"
        return BadPictureError(_subject(data), problem, "too_complex")

    def _take(self) -> DecoderProcess:
        while self._free:
            decoder = self._free.pop()
            if decoder.retirement is not None:
                decoder.retirement.cancel()
            if decoder.is_alive:
                return decoder
            self._retire(decoder)
        decoder = DecoderProcess()
        self._decoders.add(decoder)
        return decoder

    def _give_back(self, decoder: DecoderProcess, *, keep: bool) -> None:
        if self._is_stopped:
            return
        if not keep:
            self._retire(decoder)
            return
        decoder.retirement = asyncio.get_running_loop().call_later(self._idle_s, self._retire, decoder)
        self._free.append(decoder)

    def _retire(self, decoder: DecoderProcess) -> None:
        """End a decoder for good. A thread waits for its end, which comes in milliseconds."""
        if self._is_stopped:
            return
        if decoder.retirement is not None:
            decoder.retirement.cancel()
        if decoder in self._free:
            self._free.remove(decoder)
        self._decoders.discard(decoder)
        decoder.kill()
        with contextlib.suppress(RuntimeError):  # the system starts no thread: one of ours does it later
            self._threads.submit(decoder.reap)


def _start() -> subprocess.Popen[bytes]:
    """Start a decoder apart from the terminal, whose signals are for the service."""
    root = str(Path(__file__).parents[2])
    environment = {name: os.environ[name] for name in SENT_VARIABLES if name in os.environ}
    environment |= {"PYTHONPATH": os.pathsep.join([root, *filter(None, sys.path)]), **MALLOC}
    return subprocess.Popen(  # noqa: S603 - our own module
        COMMAND,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment,
        start_new_session=True,
        creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
    )


def _subject(data: bytes) -> str:
    kind = FORMATS.get(sniff(data) or "") or convertible(data)
    return f"{kind} picture" if kind else "picture"


def _stopped(data: bytes) -> BadPictureError:
    return BadPictureError(_subject(data), "was not decoded, since the server stops", "undecoded")


def _crashed(data: bytes, error: Exception) -> BadPictureError:
    if isinstance(error, DecoderEndedError) and error.code == -KILLED:
        problem = "was not decoded: the system ended its decoder, as it does when memory is short"
        return BadPictureError(_subject(data), problem, "undecoded")
    return BadPictureError(_subject(data), f"made its decoder end ({error})", "undecoded")
