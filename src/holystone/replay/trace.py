"""Recorded use of a host: read, check and write a trace.

A trace has one JSON object a line, in time order, plain or compressed by gzip::

    {"kind":"image","id":0,"layers":[["digest", bytes], …]}
    {"kind":"use","time":unix seconds,"ref":"node:23-alpine","image":0}

An image comes before its first use. It may have ``"created"``, its build date in unix seconds.
Other fields are ignored.
"""

from __future__ import annotations

import gzip
import json
import sys
import zlib
from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from itertools import count
from typing import Any, BinaryIO, NamedTuple, NoReturn

from holystone.outside.regular_file import NotRegular, open_regular
from holystone.outside.text import safe_json

STDIN = "-"
LONGEST_LINE = 1 << 20
"""Bytes of a line. An image has 127 layers at most (moby, ``layer/layer_store.go``), which with
whole digests is a sixtieth of this."""
LARGEST = 1 << 32
"""Bytes of a trace, unpacked: twenty million uses."""
LARGEST_LAYER = 10**15
LAST_TIME = 253_402_300_799.0
"""The end of the year 9999: what comes later was not meant as seconds."""
_MEND = "Name a file, or - for standard input."
_GZIP = b"\x1f\x8b"


class TraceError(Exception):
    """What is wrong with a trace: the file, the line, and the mend."""


class Trace(NamedTuple):
    """Recorded use, compact: references, images and layers are numbers from 0 on.

    24 bytes a use, so that a million of them are no burden.
    """

    name: str
    """The file it was read from, or ``standard input``."""
    references: tuple[str, ...]
    layers: tuple[tuple[int, ...], ...]
    """The layers of each image, bottom first, none twice."""
    created: tuple[float | None, ...]
    """When each image was built, UTC seconds; None where the trace does not tell."""
    layer_bytes: tuple[int, ...]
    use_times: array[float]
    """UTC seconds, never falling."""
    use_references: array[int]
    use_images: array[int]

    def image_bytes(self) -> list[int]:
        """The bytes of each image, all its layers together."""
        size = self.layer_bytes
        return [sum(size[layer] for layer in layers) for layers in self.layers]


def read(path: str) -> Trace:
    """The trace in a file, plain or compressed; ``-`` is standard input. Raises TraceError."""
    name = "standard input" if path == STDIN else path
    try:
        with (
            nullcontext(sys.stdin.buffer) if path == STDIN else open_regular(path) as file,
            _unpacked(file, packed=path.endswith(".gz")) as stream,
        ):
            return parse(_lines(stream, name), name)
    except NotRegular as error:
        raise TraceError(f"cannot read the trace {name}: {error}. {_MEND}") from None
    except OSError as error:
        raise TraceError(f"cannot read the trace {name}: {error.strerror or error}") from None


def parse(lines: Iterable[bytes], name: str) -> Trace:
    """The trace in these lines. Raises TraceError, with the line counted from 1."""
    reader = _Reader(name)
    number = 0
    for number, line in enumerate(lines, 1):
        if not line.isspace():
            reader.take(number, line)
    return reader.trace(number)


def written(
    images: Mapping[str, Sequence[tuple[str, int]]],
    uses: Iterable[tuple[float, str, str] | tuple[float, str, str, bool]],
    created: Mapping[str, float] | None = None,
) -> Iterator[str]:
    """The lines of a trace, without their ends.

    ``images`` has the layers of each image, bottom first: digest and bytes. ``uses`` are the time
    in UTC seconds, the reference that was asked for and the image behind it, in time order; with
    True after that where the image had to be pulled. That is written as
    ``"pulled": true``, to compare the pulls of a replay with the real ones; reading ignores it.
    ``created`` has the dates of build that are known.
    """
    numbers: dict[str, int] = {}
    for time, reference, image, *pulled in uses:
        if image not in numbers:
            numbers[image] = len(numbers)
            record: dict[str, Any] = {
                "kind": "image",
                "id": numbers[image],
                "layers": [list(layer) for layer in images[image]],
            }
            if created and image in created:
                record["created"] = _whole(created[image])
            yield _line(record)
        use = {"kind": "use", "time": _whole(time), "ref": reference, "image": numbers[image]}
        yield _line(use | {"pulled": True} if any(pulled) else use)


def _whole(seconds: float) -> float:
    """The same number, without a fraction where it has none."""
    return int(seconds) if seconds == int(seconds) else seconds


def _line(record: dict[str, Any]) -> str:
    return safe_json(json.dumps(record, separators=(",", ":")))


def _unpacked(stream: Any, *, packed: bool) -> AbstractContextManager[Any]:
    """The stream, unpacked if its name or its first bytes show that it is compressed."""
    packed = packed or stream.peek(len(_GZIP)).startswith(_GZIP)
    return gzip.open(stream, "rb") if packed else nullcontext(stream)


def _lines(stream: BinaryIO, name: str) -> Iterator[bytes]:
    """Each line with its end. Raises TraceError for one that is too long, and for damage."""
    read = 0
    for number in count(1):
        wrong = ""
        try:
            line = stream.readline(LONGEST_LINE + 1)
        except (EOFError, OSError, zlib.error) as error:
            mend = "The file is damaged or was cut short; copy or write it again."
            raise TraceError(f"{name}:{number}: cannot be read on: {error}. {mend}") from None
        if not line:
            return
        read += len(line)
        if len(line) > LONGEST_LINE:
            mend = "A trace has one image or one use a line."
            wrong = f"the line is longer than {LONGEST_LINE} bytes. {mend}"
        elif read > LARGEST:
            wrong = f"the trace is longer than {LARGEST >> 30} GiB. Give a part of it."
        if wrong:
            raise TraceError(f"{name}:{number}: {wrong}")
        yield line


class _Reader:
    """Takes a trace line by line. Its methods raise TraceError."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._number = 0
        self._references: dict[str, int] = {}
        self._layer_numbers: dict[str, int] = {}
        self._layer_bytes: list[int] = []
        self._images: dict[int, int] = {}
        self._defined_in: list[int] = []
        self._layers: list[tuple[int, ...]] = []
        self._created: list[float | None] = []
        self._times = array("d")
        self._use_references = array("q")
        self._use_images = array("q")
        self._time = 0.0

    def take(self, number: int, line: bytes) -> None:
        """One line."""
        self._number = number
        try:
            record = json.loads(line.decode())
        except UnicodeDecodeError:
            self._wrong("is no UTF-8 text")
        except json.JSONDecodeError as error:
            where = f"({error.msg}, column {error.colno})"
            self._wrong(f"is no JSON {where}. Each line is one JSON object")
        except (ValueError, RecursionError):
            # A number of thousands of digits, or brackets in brackets.
            self._wrong("is no JSON that can be read. Each line is one JSON object")
        if not isinstance(record, dict):
            self._wrong("is no JSON object")
        kind = record.get("kind")
        if kind == "use":
            self._use(record)
        elif kind == "image":
            self._image(record)
        else:
            self._wrong(f'"kind" is {_shown(kind)}; it must be "image" or "use"')

    def trace(self, lines: int) -> Trace:
        """All that was taken, of so many lines."""
        if not lines:
            raise TraceError(f"{self._name}: is empty. A trace has one JSON object a line.")
        if not self._times:
            raise TraceError(f"{self._name}:{lines}: ends here, and no image was used.")
        return Trace(
            self._name, tuple(self._references), tuple(self._layers), tuple(self._created),
            tuple(self._layer_bytes), self._times, self._use_references, self._use_images,
        )  # fmt: skip

    def _use(self, record: dict[str, Any]) -> None:
        time = self._seconds(record, "time")
        if time < self._time:
            self._wrong(
                f"time goes back, from {_whole(self._time)} to {_whole(time)}. A trace is in "
                "time order; sort its uses"
            )
        reference = record.get("ref")
        if not isinstance(reference, str) or not reference:
            self._wrong(f'"ref" is {_shown(reference)}; it must be an image reference')
        image = self._id(record, "image")
        if image not in self._images:
            self._wrong(f"image {image} is used, and no line before this one defines it")
        self._time = time
        self._times.append(time)
        self._use_references.append(self._references.setdefault(reference, len(self._references)))
        self._use_images.append(self._images[image])

    def _image(self, record: dict[str, Any]) -> None:
        image = self._id(record, "id")
        if image in self._images:
            first = self._defined_in[self._images[image]]
            self._wrong(f"image {image} is defined a second time, after line {first}")
        layers = record.get("layers")
        if not isinstance(layers, list):
            self._wrong(f'"layers" is {_shown(layers)}; it must be a list of [digest, bytes]')
        if not layers:
            self._wrong(f"image {image} has no layers")
        numbers = dict.fromkeys(self._layer(layer) for layer in layers)
        created = None if record.get("created") is None else self._seconds(record, "created")
        self._images[image] = len(self._layers)
        self._defined_in.append(self._number)
        self._layers.append(tuple(numbers))
        self._created.append(created)

    def _layer(self, layer: Any) -> int:
        """The number of a layer, which is the same in every image that holds it."""
        if not isinstance(layer, list) or len(layer) != 2:
            self._wrong(f"the layer {_shown(layer)} is not [digest, bytes]")
        digest, size = layer
        if not isinstance(digest, str) or not digest:
            self._wrong(f"a layer's digest is {_shown(digest)}; it must be text")
        if type(size) is not int or not 0 <= size <= LARGEST_LAYER:
            self._wrong(
                f"layer {digest} has {_shown(size)} for its bytes; it must be a whole number "
                f"from 0 to {LARGEST_LAYER}"
            )
        number = self._layer_numbers.setdefault(digest, len(self._layer_bytes))
        if number == len(self._layer_bytes):
            self._layer_bytes.append(size)
        elif self._layer_bytes[number] != size:
            self._wrong(
                f"layer {digest} has {size} bytes here and {self._layer_bytes[number]} before; "
                "a digest has one size"
            )
        return number

    def _id(self, record: dict[str, Any], field: str) -> int:
        value = record.get(field)
        if type(value) is not int or value < 0:
            self._wrong(f'"{field}" is {_shown(value)}; it must be a whole number from 0 on')
        return value

    def _seconds(self, record: dict[str, Any], field: str) -> float:
        value: Any = record.get(field)
        number = isinstance(value, int | float) and not isinstance(value, bool)
        if not number or not 0 <= value <= LAST_TIME:
            self._wrong(f'"{field}" is {_shown(value)}; it must be unix seconds')
        return float(value)

    def _wrong(self, words: str) -> NoReturn:
        raise TraceError(f"{self._name}:{self._number}: {words}.")


def _shown(value: Any) -> str:
    """A value of a trace in an error: short, and on one line."""
    text = "missing" if value is None else json.dumps(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
