"""Reading traces and writing them: what is wrong is told with the file, the line and the mend."""

from __future__ import annotations

import gzip
import io
import json
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holystone.replay.trace import LONGEST_LINE, Trace, TraceError, parse, read, written

IMAGE = '{"kind":"image","id":0,"layers":[["aa",5],["bb",7]]}'
USE = '{"kind":"use","time":100,"ref":"node:23","image":0}'
LATER = '{"kind":"use","time":160.5,"ref":"node:23","image":0}'
GOOD = f"{IMAGE}\n{USE}\n{LATER}\n"


def check_good(trace: Trace) -> None:
    assert trace.references == ("node:23",)
    assert trace.layers == ((0, 1),)
    assert trace.layer_bytes == (5, 7)
    assert trace.created == (None,)
    assert list(trace.use_times) == [100.0, 160.5]
    assert list(trace.use_references) == list(trace.use_images) == [0, 0]
    assert trace.image_bytes() == [12]


@pytest.mark.parametrize("name", ["t.jsonl", "t.jsonl.gz", "packed"])
def test_reads_plain_and_compressed(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(GOOD.encode() if name == "t.jsonl" else gzip.compress(GOOD.encode()))
    trace = read(str(path))
    check_good(trace)
    assert trace.name == str(path)


@pytest.mark.parametrize("packed", [False, True])
def test_reads_standard_input(monkeypatch: pytest.MonkeyPatch, *, packed: bool) -> None:
    data = gzip.compress(GOOD.encode()) if packed else GOOD.encode()
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BufferedReader(io.BytesIO(data))))
    trace = read("-")
    check_good(trace)
    assert trace.name == "standard input"


def test_passes_over_what_it_does_not_know() -> None:
    lines = [
        b'{"kind":"image","id":7,"layers":[["aa",5],["aa",5]],"created":90.5,"arch":"arm64"}\n',
        b"\n",
        b'{"kind":"use","time":100,"ref":"a","image":7,"job":"4711"}',
    ]
    trace = parse(lines, "t")
    assert trace.layers == ((0,),)
    assert trace.created == (90.5,)


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        ("", "t: is empty"),
        ("\n\n", "t:3: ends here, and no image was used."),
        (IMAGE, "t:1: ends here, and no image was used."),
        ("hello", "t:1: is no JSON (Expecting value, column 1). Each line is one"),
        (f"{IMAGE}\n{USE[:-9]}", "t:2: is no JSON"),
        (f"{IMAGE}\n{USE} {USE}", "t:2: is no JSON (Extra data"),
        ("[" * 100_000, "t:1: is no JSON"),
        ("[]", "t:1: is no JSON object."),
        ("3", "t:1: is no JSON object."),
        ("{}", 't:1: "kind" is missing; it must be "image" or "use".'),
        ('{"kind":"pull"}', 't:1: "kind" is "pull"'),
        ('{"kind":["use"]}', 't:1: "kind" is ["use"]'),
        (USE, "t:1: image 0 is used, and no line before this one defines it."),
        (f"{USE}\n{IMAGE}", "t:1: image 0 is used"),
        (
            f"{IMAGE}\n{USE}\n{LATER}\n{USE}",
            "t:4: time goes back, from 160.5 to 100. A trace is in time order; sort its uses.",
        ),
        (f"{IMAGE}\n{USE}\n{IMAGE}", "t:3: image 0 is defined a second time, after line 1."),
        ('{"kind":"image","layers":[["a",1]]}', 't:1: "id" is missing; it must be a whole number'),
        ('{"kind":"image","id":"0","layers":[["a",1]]}', 't:1: "id" is "0"'),
        ('{"kind":"image","id":true,"layers":[["a",1]]}', 't:1: "id" is true'),
        ('{"kind":"image","id":-1,"layers":[["a",1]]}', 't:1: "id" is -1'),
        ('{"kind":"image","id":0.0,"layers":[["a",1]]}', 't:1: "id" is 0.0; it must be a whole'),
        ('{"kind":"image","id":0}', 't:1: "layers" is missing; it must be a list'),
        ('{"kind":"image","id":0,"layers":{"a":1}}', 't:1: "layers" is {"a": 1}'),
        ('{"kind":"image","id":0,"layers":[]}', "t:1: image 0 has no layers."),
        ('{"kind":"image","id":0,"layers":["a"]}', 't:1: the layer "a" is not [digest, bytes].'),
        ('{"kind":"image","id":0,"layers":[["a"]]}', 't:1: the layer ["a"] is not'),
        ('{"kind":"image","id":0,"layers":[[1,1]]}', "t:1: a layer's digest is 1"),
        ('{"kind":"image","id":0,"layers":[["",1]]}', 't:1: a layer\'s digest is ""'),
        ('{"kind":"image","id":0,"layers":[["a",-1]]}', "t:1: layer a has -1 for its bytes"),
        ('{"kind":"image","id":0,"layers":[["a",1.5]]}', "t:1: layer a has 1.5 for its bytes"),
        ('{"kind":"image","id":0,"layers":[["a","1"]]}', 't:1: layer a has "1" for its bytes'),
        ('{"kind":"image","id":0,"layers":[["a",false]]}', "t:1: layer a has false for its"),
        (
            '{"kind":"image","id":0,"layers":[["a",1000000000000001]]}',
            "t:1: layer a has 1000000000000001 for its bytes; it must be a whole number from 0 to",
        ),
        ('{"kind":"image","id":0,"layers":[["a",1],["a",2]]}', "t:1: layer a has 2 bytes here"),
        (
            f'{IMAGE}\n{{"kind":"image","id":1,"layers":[["bb",8]]}}',
            "t:2: layer bb has 8 bytes here and 7 before; a digest has one size.",
        ),
        (f'{IMAGE[:-1]},"created":"today"}}', 't:1: "created" is "today"; it must be unix sec'),
        (f"{IMAGE}\n{USE.replace('100', '-1')}", 't:2: "time" is -1; it must be unix seconds.'),
        (f"{IMAGE}\n{USE.replace('100', 'true')}", 't:2: "time" is true'),
        (f"{IMAGE}\n{USE.replace('100', 'NaN')}", 't:2: "time" is NaN'),
        (f"{IMAGE}\n{USE.replace('100', '1e999')}", 't:2: "time" is Infinity'),
        (f"{IMAGE}\n{USE.replace('100', '1475292226000')}", 't:2: "time" is 1475292226000'),
        (f"{IMAGE}\n{USE.replace('100', '9' * 5000)}", "t:2: is no JSON"),
        (f"{IMAGE}\n" + '{"kind":"use","ref":"a","image":0}', 't:2: "time" is missing'),
        (f"{IMAGE}\n{USE.replace('node:23', '')}", 't:2: "ref" is ""; it must be an image ref'),
        (f"{IMAGE}\n{USE[:-2]}[0]}}", 't:2: "image" is [0]'),
    ],
)
def test_tells_what_is_wrong(lines: str, words: str) -> None:
    with pytest.raises(TraceError) as error:
        parse([line + b"\n" for line in lines.encode().split(b"\n") if lines], "t")
    assert str(error.value).startswith(words)
    assert "\n" not in str(error.value)
    assert len(str(error.value)) < 250


def test_text_in_another_encoding() -> None:
    with pytest.raises(TraceError, match=r"^t:1: is no UTF-8 text\.$"):
        parse(['{"kind":"use","ref":"é"}'.encode("latin-1")], "t")


def failing(path: Path, data: bytes) -> str:
    """What reading these bytes is answered with, after the name of the file."""
    path.write_bytes(data)
    with pytest.raises(TraceError) as error:
        read(str(path))
    return str(error.value).removeprefix(str(path))


def test_damaged_files(tmp_path: Path) -> None:
    packed = gzip.compress((GOOD + f"{LATER}\n" * 5000).encode())
    damage = ": The file is damaged or was cut short; copy or write it again."
    cut = failing(tmp_path / "cut.gz", packed[: len(packed) // 2])
    assert cut.startswith(":")
    assert int(cut.split(":")[1]) > 1
    flipped = failing(tmp_path / "bit.gz", packed[:-6] + b"\0\0" + packed[-4:])
    named = failing(tmp_path / "named.gz", GOOD.encode())
    assert named.startswith(":1: cannot be read on: Not a gzipped file")
    assert failing(tmp_path / "junk", packed + b"no gzip")
    for told in (cut, flipped, named):
        assert told.endswith(damage[2:])


def test_a_line_that_never_ends(tmp_path: Path) -> None:
    told = failing(tmp_path / "t", f"{IMAGE}\n".encode() + b"x" * (LONGEST_LINE + 1))
    assert told.startswith(":2: the line is longer than 1048576 bytes.")
    # Of a bomb no more is unpacked than that either.
    bomb = gzip.compress(b"\0" * (LONGEST_LINE * 64))
    assert failing(tmp_path / "t.gz", bomb).startswith(":1: the line is longer")


def test_a_line_as_long_as_may_be() -> None:
    layers = json.dumps([[f"{n:064}", n] for n in range(10_000)])
    line = f'{{"kind":"image","id":0,"layers":{layers}}}'.encode()
    assert len(line) < LONGEST_LINE
    assert len(parse([line, USE.encode()], "t").layers[0]) == 10_000


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(TraceError, match=r"^cannot read the trace .*/no: No such file"):
        read(str(tmp_path / "no"))
    with pytest.raises(TraceError, match="it is a directory, not a regular file"):
        read(str(tmp_path))


@given(st.data())
def test_whatever_it_is_given_it_answers_or_tells(data: st.DataObject) -> None:
    value = st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    )
    records = [json.loads(line) for line in GOOD.splitlines()]
    record = data.draw(st.sampled_from(records))
    record[data.draw(st.sampled_from(sorted(record)))] = data.draw(value)
    raw = data.draw(st.binary(max_size=8))
    lines = [json.dumps(each).encode() for each in records] + data.draw(
        st.sampled_from([[], [raw]])
    )
    try:
        trace = parse(lines, "t")
    except TraceError as error:
        assert str(error).startswith("t:")  # noqa: PT017 - either answer is right
    else:
        assert len(trace.use_times) in (1, 2, 3)


def test_what_is_written_is_read() -> None:
    images = {"sha256:a": [("l1", 5), ("l2", 0)], "sha256:b": [("l1", 5)], "sha256:c": [("x", 1)]}
    uses = [(100.0, "a:1", "sha256:a"), (100.0, "b:1", "sha256:b"), (160.25, "a:1", "sha256:b")]
    lines = list(written(images, uses, {"sha256:b": 90.0}))
    assert lines == [
        '{"kind":"image","id":0,"layers":[["l1",5],["l2",0]]}',
        '{"kind":"use","time":100,"ref":"a:1","image":0}',
        '{"kind":"image","id":1,"layers":[["l1",5]],"created":90}',
        '{"kind":"use","time":100,"ref":"b:1","image":1}',
        '{"kind":"use","time":160.25,"ref":"a:1","image":1}',
    ]
    trace = parse([f"{line}\n".encode() for line in lines], "t")
    assert trace.references == ("a:1", "b:1")
    assert trace.layers == ((0, 1), (0,))
    assert trace.created == (None, 90.0)
    assert list(trace.use_images) == [0, 1, 1]
