"""Messages between the service and a decoder process, and the values that they carry.

A message is a JSON object and some byte strings: the length of the JSON in four bytes (big-endian), the JSON, whose
`sizes` tell the lengths of the strings, then the strings. It holds no Python objects: a picture that takes a decoder
over can answer with wrong values, and with nothing that the service would run.

A task has `work`, `arguments`, the limits `memory_bytes` and `cpu_s`, and the bytes of the picture. An answer has
`values`, the fields of the value by name, with the bytes of one field in each string, and null for bytes that are those
of the task; or `refusal`, the arguments of a `BadPictureError`; or `error`, the traceback of a mistake of ours.
"""

import json
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import IO, Any, Final, Self, TypeVar

from service.images import EXTENSIONS, WorkError

PREVIEW_TYPE: Final = "image/jpeg"
PREVIEW_SIDE: Final = 768

HEAD: Final = struct.Struct(">I")
MOST_JSON_BYTES: Final = 1_000_000
MOST_BYTES: Final = 2**31
"""Bytes of the strings of a task. The largest picture that settings allow has a gigabyte."""


class BadPictureError(WorkError):
    """Bytes that are no picture to keep, or none that can be decoded here.

    `problem` is the end of a sentence about them, without its subject. `code` is a word for programs: `damaged`,
    `empty`, `heic`, `ios_png`, `not_a_picture`; or one of `OUT_OF_BOUNDS`.
    """

    def __init__(self, subject: str, problem: str, code: str) -> None:
        """Say that the image service's `subject`, such as "answer", has this `problem`."""
        super().__init__(f"The image service's {subject} {problem}.", kind="bad_picture")
        self.subject = subject
        self.problem = problem
        self.code = code


MAX_PIXELS: Final = 70_000_000
"""Phones of 50 and 64 megapixels give up to 8192×8192 = 67 million; image services up to 8K, which is 33 million."""

OUT_OF_BOUNDS: Final = frozenset({"too_many_pixels", "too_complex", "undecoded"})
"""Codes of pictures that may be whole, and that were not decoded to their end here."""


def too_many_pixels() -> BadPictureError:
    """Return the refusal of a picture that has more pixels than the cap, by its header alone."""
    problem = f"has more than the {MAX_PIXELS // 1_000_000} million pixels allowed"
    return BadPictureError("picture", problem, "too_many_pixels")


@dataclass(frozen=True, kw_only=True)
class Value:
    """A value of an answer; its fields of type `bytes` travel as strings."""

    def to_message(self, sent: bytes) -> tuple[dict[str, Any], list[bytes]]:
        """Return the fields for JSON, and the bytes of the others in their order; `sent` are those of the task."""
        values = {each.name: getattr(self, each.name) for each in fields(self)}
        values = {name: None if value == sent else value for name, value in values.items()}
        strings = [value for value in values.values() if isinstance(value, bytes)]
        return {name: value for name, value in values.items() if not isinstance(value, bytes)}, strings

    @classmethod
    def from_message(cls, values: Mapping[str, Any], strings: list[bytes], sent: bytes) -> Self:
        """Return the value of an answer. Raises `ValueError` for one that no decoder of ours gives."""
        left = iter(strings)
        try:
            read = {each.name: values[each.name] if each.name in values else next(left) for each in fields(cls)}
            read = {name: sent if value is None else value for name, value in read.items()}
        except StopIteration as error:
            raise ValueError(f"no {cls.__name__}: a field is missing") from error
        if wrong := [each.name for each in fields(cls) if type(read[each.name]) is not each.type]:
            raise ValueError(f"no {cls.__name__}: {wrong} of a wrong type")
        if read.get("media_type", PREVIEW_TYPE) not in EXTENSIONS:
            raise ValueError(f"no media type that is kept: {read['media_type']!r}")
        return cls(**read)


@dataclass(frozen=True, kw_only=True)
class Examined(Value):
    """A picture that was decoded. Width and height are as a person sees it.

    `data` are the bytes to keep; `note` says how they differ from those that came, where a person should know.
    `preview` is empty for a picture that could not be decoded here. `thumbnail` is the preview in fewer bytes; empty
    where it has few itself.
    """

    media_type: str
    width: int
    height: int
    note: str = ""
    preview: bytes = field(repr=False)
    thumbnail: bytes = field(default=b"", repr=False)
    data: bytes = field(repr=False)


@dataclass(frozen=True, kw_only=True)
class JpegCopy(Value):
    """A picture as JPEG that fits a limit. `reduced`: it has fewer pixels than the picture, or is of lower quality."""

    data: bytes = field(repr=False)
    width: int
    height: int
    reduced: bool


@dataclass(frozen=True, kw_only=True)
class ConvertedPicture(Value):
    """A picture as an image service takes it, and its size."""

    data: bytes = field(repr=False)
    media_type: str
    width: int
    height: int


@dataclass(frozen=True, kw_only=True)
class ReadMask(Value):
    """A mask that was read: a PNG of the shape of its picture, white where that is to change and black elsewhere.

    `by_transparency` tells which of the two conventions it followed. `per_mille` of the picture are to change. Width
    and height are those that it came in, upright.
    """

    data: bytes = field(repr=False)
    media_type: str = "image/png"
    width: int
    height: int
    by_transparency: bool
    fitted: bool
    per_mille: int


@dataclass(frozen=True, kw_only=True)
class MarkedCopy(Value):
    """A small JPEG of a picture with a region marked, and the name of the colour of the mark."""

    data: bytes = field(repr=False)
    colour: str


V = TypeVar("V", bound=Value)


def read_answer(value: type[V], answer: Mapping[str, Any], strings: list[bytes], sent: bytes) -> V:
    """Return the value of an answer to a task with the bytes `sent`, or raise the `BadPictureError` that it holds.

    Raises `ValueError` for what no decoder of ours answers, and `RuntimeError` for a mistake of ours.
    """
    match answer:
        case {"values": dict(values)}:
            return value.from_message(values, strings, sent)
        case {"refusal": [str(subject), str(problem), str(code)]}:
            raise BadPictureError(subject, problem, code)
        case {"error": str(traceback)}:
            raise RuntimeError(f"A decoder failed:\n{traceback}")
        case _:
            raise ValueError("an answer is none")


def write_message(pipe: IO[bytes], message: Mapping[str, Any], *strings: bytes) -> None:
    """Write a message. Blocks until the other side has taken it."""
    text = json.dumps({**message, "sizes": [len(each) for each in strings]}).encode()
    pipe.write(HEAD.pack(len(text)) + text)
    pipe.writelines(strings)
    pipe.flush()


def read_head(pipe: IO[bytes]) -> dict[str, Any]:
    """Read the JSON of a message. Raises `EOFError` at the end of the pipe, `ValueError` for what is no message."""
    (length,) = HEAD.unpack(_read(pipe, HEAD.size))
    if length > MOST_JSON_BYTES:
        raise ValueError("a message is too long")
    message = json.loads(_read(pipe, length))
    if not isinstance(message, dict):
        raise ValueError("a message is no JSON object")  # noqa: TRY004 - bad data, like the others
    return message


def read_strings(pipe: IO[bytes], message: Mapping[str, Any], most: int = MOST_BYTES) -> list[bytes]:
    """Read the strings behind the JSON of a message, of at most so many bytes in all.

    Raises `EOFError` and `ValueError` like `read_head`.
    """
    sizes = message.get("sizes")
    if not isinstance(sizes, list) or not all(isinstance(each, int) and each >= 0 for each in sizes):
        raise ValueError("a message has no sizes")
    if sum(sizes) > most:
        raise ValueError(f"a message has {sum(sizes)} bytes")
    return [_read(pipe, size) for size in sizes]


def _read(pipe: IO[bytes], size: int) -> bytes:
    data = pipe.read(size)
    if len(data) < size:
        raise EOFError
    return data
