"""Runs a command whose system calls are refused in part: `python -m tests.refused_calls flock=ENOSYS -- command …`.

By a filter of seccomp(2) the kernel itself refuses them, to an ordinary user as well, as it would on a file system that
does not have them. It stays in force for the command and all that it starts.
"""

import ctypes
import errno
import os
import platform
import struct
import sys
from typing import Final

NUMBERS: Final = {
    "x86_64": {"flock": [73], "link": [86, 265]},
    "aarch64": {"flock": [32], "link": [37]},
}
"""The numbers of the calls on each kind of processor; `link` is also `linkat`."""

LOAD_NUMBER: Final = (0x20, 0, 0, 0)
ALLOW: Final = (0x06, 0, 0, 0x7FFF0000)
EQUAL: Final = 0x15
RETURN: Final = 0x06
REFUSE: Final = 0x00050000
PR_SET_NO_NEW_PRIVS: Final = 38
PR_SET_SECCOMP: Final = 22
FILTER: Final = 2


def is_possible() -> bool:
    """Tell whether this is a system whose calls are known here."""
    return sys.platform == "linux" and platform.machine() in NUMBERS


def refuse(calls: dict[str, int]) -> None:
    """Have the kernel refuse these calls, each with an error number, to this process for good."""
    rules = [LOAD_NUMBER]
    for name, number in calls.items():
        for call in NUMBERS[platform.machine()][name]:
            rules += [(EQUAL, 0, 1, call), (RETURN, 0, 0, REFUSE | number)]
    code = b"".join(struct.pack("HBBI", *rule) for rule in [*rules, ALLOW])
    buffer = ctypes.create_string_buffer(code)
    program = struct.pack("HxxxxxxP", len(code) // 8, ctypes.addressof(buffer))
    prctl = ctypes.CDLL(None, use_errno=True).prctl
    for arguments in ((PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), (PR_SET_SECCOMP, FILTER, program, 0, 0)):
        if prctl(*arguments):
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


if __name__ == "__main__":
    at = sys.argv.index("--")
    asked = (argument.partition("=") for argument in sys.argv[1:at])
    refuse({name: getattr(errno, error) for name, _, error in asked})
    os.execvp(sys.argv[at + 1], sys.argv[at + 1 :])  # noqa: S606 - the command of a test
