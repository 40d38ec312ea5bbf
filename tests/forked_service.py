"""Processes of `python -m service` by fork from one that has imported it: 0.9 s of processor time less for each.

The tests start the service some five hundred times, and importing it would be most of what they cost. `installed`
makes `subprocess` ask a template for the process wherever exactly that command is started:

    the test ── request ──▶ the template ── fork ──▶ a process between ── fork ──▶ the service
       ▲                                                  ends at once                 │
       └── adopts it, as the next subreaper above (see prctl(2)) ◀─────────────────────┘

So it is a child of the test as any other, with its own folder, environment, descriptors, signals and exit status. What
would be another process by that is started as usual: under `real_starts`, with an environment that the interpreter
itself reads, with a command before the command, or with a function before the execution.
"""

import builtins
import ctypes
import gc
import inspect
import json
import os
import runpy
import socket
import subprocess
import sys
import threading
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any, Final

from tests.paths import ROOT

COMMAND: Final = [sys.executable, "-m", "service"]
SET_SUBREAPER: Final = 36
"""PR_SET_CHILD_SUBREAPER of prctl(2)."""

READ_BY_INTERPRETER: Final = ("PYTHON", "LD_", "LC_", "LANG", "MALLOC_", "FAKETIME")
"""Beginnings of variables that count before the first line of Python runs."""

OBEYED: Final = {"PYTHONPATH", "PYTHONWARNINGS"}
"""Those of them that `_become` obeys."""

OF_ITS_OWN: Final = ("preexec_fn", "pass_fds", "shell", "user", "group", "extra_groups", "executable")
"""Arguments of `Popen` that are left to it."""

LONGEST: Final = 1 << 17
"""Bytes of a request: arguments and an environment."""


class _Template:
    """The process that has imported the service, once it is needed; it ends when our end of the socket closes."""

    def __init__(self) -> None:
        self._turn = threading.Lock()
        self._socket: socket.socket | None = None
        self._libc = ctypes.CDLL(None)

    def fork(self, request: Mapping[str, Any], descriptors: Sequence[int]) -> int:
        """The process id of a new child of ours, with these descriptors as its standard ones."""
        with self._turn:
            template = self._socket or self._started()
            self._libc.prctl(SET_SUBREAPER, 1)
            try:
                socket.send_fds(template, [json.dumps(request).encode()], descriptors)
                return int(template.recv(32))
            finally:
                self._libc.prctl(SET_SUBREAPER, 0)

    def _started(self) -> socket.socket:
        self._socket, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.forked_service", str(theirs.fileno())],
                env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)}, cwd=ROOT, pass_fds=[theirs.fileno()],
            )  # fmt: skip
        return self._socket

    def close(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._process.wait()


class _Starts:
    """Tells `Popen` of the template, and whether it is used now."""

    template: _Template
    are_real = False


_SIGNATURE: Final = inspect.signature(subprocess.Popen._execute_child)  # type: ignore[attr-defined] # of the library
_PIPES: Final = ("p2cread", "p2cwrite", "c2pread", "c2pwrite", "errread", "errwrite")
"""The descriptors among its parameters, whose places differ by the version of Python."""


class _Popen(subprocess.Popen[Any]):
    """`subprocess.Popen`, also for asyncio, which looks it up there."""

    def __init__(self, args: Any, *more: Any, **options: Any) -> None:
        self._request = None if more or _Starts.are_real else _request(args, options)
        super().__init__(args, *more, **options)

    def _execute_child(self, *given: Any) -> None:
        if self._request is None:
            super()._execute_child(*given)  # type: ignore[misc] # a method of the library's own
            return
        named = _SIGNATURE.bind(self, *given).arguments
        pipes = stdin, _, _, stdout, _, stderr = [named[each] for each in _PIPES]
        descriptors = [own if other == -1 else other for own, other in enumerate((stdin, stdout, stderr))]
        self.pid = _Starts.template.fork(self._request, descriptors)
        self._child_created = True
        self._close_pipe_fds(*pipes)  # type: ignore[attr-defined] # the same


def _request(args: Any, options: Mapping[str, Any]) -> dict[str, Any] | None:
    """The order to the template, or None for a process that is started as usual."""
    env = options.get("env") or {}
    is_service = isinstance(args, list | tuple) and list(args[:3]) == COMMAND and env.get("PYTHONPATH") == str(ROOT)
    if not is_service or any(options.get(each) for each in OF_ITS_OWN):
        return None
    if any(name.startswith(READ_BY_INTERPRETER) for name in env.keys() - OBEYED):
        return None
    folder = os.path.realpath(options.get("cwd") or ".")
    session = bool(options.get("start_new_session"))
    return {"arguments": list(map(str, args[3:])), "env": dict(env), "folder": folder, "session": session}


@contextmanager
def installed() -> Iterator[None]:
    """Start the service by fork inside of this block. Systems other than Linux know no subreapers."""
    if sys.platform != "linux" or not _SIGNATURE.parameters.keys() >= set(_PIPES):
        yield
        return
    usual, _Starts.template = subprocess.Popen, _Template()
    subprocess.Popen = _Popen  # type: ignore[misc] # there asyncio looks it up
    try:
        yield
    finally:
        subprocess.Popen = usual  # type: ignore[misc]
        _Starts.template.close()


@contextmanager
def real_starts() -> Iterator[None]:
    """Start an interpreter for each process inside of this block."""
    _Starts.are_real = True
    try:
        yield
    finally:
        _Starts.are_real = False


def _wait_for_request(requests: socket.socket) -> dict[str, Any]:
    """Fork for each request. Returns in a new process, with its request; the template itself ends here."""
    while True:
        message, descriptors, _, _ = socket.recv_fds(requests, LONGEST, 3)
        if not message:
            sys.exit()
        pid = _fork_an_orphan()
        if not pid:
            for number, descriptor in enumerate(descriptors):
                os.dup2(descriptor, number)
        for descriptor in descriptors:
            os.close(descriptor)
        if not pid:
            request: dict[str, Any] = json.loads(message)
            return request
        requests.send(str(pid).encode())


def _fork_an_orphan() -> int:
    """The process id of a new process whose parent has ended; 0 in it."""
    reading, writing = os.pipe()
    if (between := os.fork()) == 0:
        if pid := os.fork():
            os.write(writing, str(pid).encode())
            os._exit(0)
        os.close(reading)
        os.close(writing)
        return 0
    os.close(writing)
    with os.fdopen(reading) as told:
        pid = int(told.read())
    os.waitpid(between, 0)
    return pid


def _become(request: Mapping[str, Any]) -> None:
    """Be as a new interpreter would be, with this environment and in this folder."""
    os.chdir(request["folder"])
    if request["session"]:
        os.setsid()
    os.environ.clear()
    os.environ.update(request["env"])
    sys.argv[1:] = request["arguments"]
    sys.path[0] = request["folder"]
    for option in filter(None, request["env"].get("PYTHONWARNINGS", "").split(",")):
        action, _, category = option.partition("::")
        warnings.simplefilter(action, getattr(builtins, category or "Warning"))


def main() -> None:
    """Import the service, be its template, and in each new process the service."""
    with socket.socket(fileno=int(sys.argv[1])) as requests, ExitStack() as strict:
        strict.enter_context(warnings.catch_warnings())
        warnings.simplefilter("error")  # none comes from an import: a process that says all would have shown it
        import service.commands.main  # noqa: F401, PLC0415 - all that it may need
        from service.gallery.page import GalleryPages  # noqa: PLC0415 - as above

        GalleryPages.read()  # which no two processes do differently

        strict.close()
        assert threading.active_count() == 1, "a fork takes one thread along"
        gc.collect()
        gc.freeze()
        request = _wait_for_request(requests)
    _become(request)
    runpy.run_module("service", run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
