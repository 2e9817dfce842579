"""The agent's log: one line an entry, nothing hostile, no secrets."""

import io
import json
import logging
import re
import sys
import threading
from collections.abc import Callable, Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holystone.agent import logs
from holystone.agent.logs import host_of, log
from holystone.agent.status_line import marks_in_words
from holystone.planner.policy import Mark, Watermarks


@pytest.fixture
def lines() -> Iterator[Callable[[str], io.StringIO]]:
    def begin(form: str) -> io.StringIO:
        stream = io.StringIO()
        logs.set_up(form, stream)
        return stream

    yield begin
    logs.set_up()


def test_text_is_one_line_of_time_level_message_and_pairs(
    lines: Callable[[str], io.StringIO],
) -> None:
    out = lines("text")
    log.info("clean ended", level_="x", removed=3, share=0.25, said="two words", empty="", no=None)
    time, rest = out.getvalue().split(" ", 1)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", time)
    assert rest == (
        'info clean ended level_=x removed=3 share=0.25 said="two words" empty="" no=null\n'
    )


def test_json_is_one_object_a_line(lines: Callable[[str], io.StringIO]) -> None:
    out = lines("json")
    log.warning("the engine is gone", said="connection refused", tried=[1, "a"])
    log.error("second")
    first, second = map(json.loads, out.getvalue().splitlines())
    assert list(first) == ["time", "level", "message", "said", "tried"]
    assert first["level"] == "warning"
    assert first["tried"] == [1, "a"]
    assert second["message"] == "second"


def test_sizes_are_numbers_in_json_and_readable_in_text(
    lines: Callable[[str], io.StringIO],
) -> None:
    told = {"free_bytes": 18_000_000_000, "total_bytes": None, "bytes": 5, "flag_bytes": True}
    out = lines("json")
    log.info("the disk", **told)
    assert json.loads(out.getvalue()).items() >= told.items()
    out = lines("text")
    log.info("the disk", **told)
    assert out.getvalue().endswith(
        ' the disk free="18.0 GB" total_bytes=null bytes=5 flag_bytes=true\n'
    )


def test_the_marks_in_words() -> None:
    assert marks_in_words(Watermarks()) == {
        "high": "85% used", "low": "just below high", "critical": "95% used",
        "inodes": "90% used",
    }  # fmt: skip
    told = marks_in_words(Watermarks(low=Mark(free_bytes=20_000_000_000)))
    assert told["low"] == "20.0 GB free"


def test_debug_is_not_written(lines: Callable[[str], io.StringIO]) -> None:
    out = lines("text")
    log.debug("detail")
    assert out.getvalue() == ""


HOSTILE = "a\nb\r\x1b[31m::add-mask::x ##[group] \u202e\ud800"


@pytest.mark.parametrize("form", ["text", "json"])
def test_what_comes_from_outside_stays_on_its_line(
    lines: Callable[[str], io.StringIO], form: str
) -> None:
    out = lines(form)
    log.info(HOSTILE, name=HOSTILE, many=[HOSTILE], deep={HOSTILE: HOSTILE}, **{HOSTILE: "x"})
    text = out.getvalue()
    assert text.count("\n") == 1
    assert text.strip().isprintable()
    assert "::add-mask" not in text
    assert "##[" not in text
    assert "\u202e" not in text


@pytest.mark.parametrize("form", ["text", "json"])
@pytest.mark.parametrize(
    "told",
    [
        {"token": "HUSH"},
        {"Authorization": "Bearer HUSH"},
        {"webhook_secret": "HUSH"},
        {"url": "https://hooks.example.com/HUSH?x=HUSH"},
        {"urls": ["slack://HUSH/b/c", "https://user:HUSH@example.com/HUSH"]},
        {"headers": {"authorization": "HUSH", "x-api-token": ["HUSH"]}},
        {"said": "cannot reach https://user:HUSH@example.com: refused"},
        {"said": "sent authorization: bearer HUSH"},
    ],
)
def test_secrets_are_hidden(
    lines: Callable[[str], io.StringIO], form: str, told: dict[str, object]
) -> None:
    out = lines(form)
    log.info("sent", **told)
    assert "HUSH" not in out.getvalue()
    assert "sent" in out.getvalue()


def test_the_path_of_a_secret_is_shown(lines: Callable[[str], io.StringIO]) -> None:
    out = lines("text")
    log.info("read", secret_file="/etc/holystone/hook", token_file="/t", urls_file="/u")
    assert "secret_file=/etc/holystone/hook token_file=/t urls_file=/u" in out.getvalue()


@pytest.mark.parametrize("form", ["text", "json"])
def test_an_exception_is_told_with_its_place_on_one_line(
    lines: Callable[[str], io.StringIO], form: str
) -> None:
    out = lines(form)
    try:
        int("line\nhttps://u:HUSH@example.com")
    except ValueError:
        log.exception("failed", job="weekly")
    text = out.getvalue()
    assert text.count("\n") == 1
    assert "ValueError: invalid literal" in text
    assert "test_logs.py:" in text
    assert "HUSH" not in text


def test_what_libraries_log_goes_the_same_way(lines: Callable[[str], io.StringIO]) -> None:
    out = lines("json")
    logging.getLogger("uvicorn.error").warning("port %s\nis taken", 9469)
    told = json.loads(out.getvalue())
    assert (told["level"], told["message"], told["by"]) == (
        "warning",
        "port 9469 is taken",
        "uvicorn.error",
    )


def test_what_is_told_does_not_pass_for_time_or_level(
    lines: Callable[[str], io.StringIO],
) -> None:
    out = lines("json")
    log.info("x", time="never", level="critical", message="y")
    told = json.loads(out.getvalue())
    assert (told["level"], told["message"]) == ("info", "x")
    assert (told["time_"], told["level_"], told["message_"]) == ("never", "critical", "y")


def test_a_huge_number_does_not_stop_the_entry(lines: Callable[[str], io.StringIO]) -> None:
    out = lines("json")
    log.info("x", n=10**5000, size=2**62)
    told = json.loads(out.getvalue())
    assert (told["n"], told["size"]) == ("a huge number", 2**62)


def test_a_closed_stream_stops_nothing(lines: Callable[[str], io.StringIO]) -> None:
    out = lines("text")
    out.close()
    log.info("x")


def test_without_a_stream_it_is_standard_error_of_the_moment(
    lines: Callable[[str], io.StringIO], monkeypatch: pytest.MonkeyPatch
) -> None:
    lines("text")
    logs.set_up("text")
    moment = io.StringIO()
    monkeypatch.setattr(sys, "stderr", moment)
    log.info("here")
    assert "info here\n" in moment.getvalue()


def test_lines_of_many_threads_do_not_mix(lines: Callable[[str], io.StringIO]) -> None:
    out = lines("json")
    threads = [
        threading.Thread(target=lambda: [log.info("x", n=n) for n in range(100)]) for _ in range(4)
    ]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    told = [json.loads(line) for line in out.getvalue().splitlines()]
    assert sorted(each["n"] for each in told) == sorted(list(range(100)) * 4)


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("https://hooks.example.com/services/T0/B0/x?y", "https://hooks.example.com/..."),
        ("http://user:pw@10.0.0.1:8080", "http://10.0.0.1:8080/..."),
        ("https://example.com?token=x", "https://example.com/..."),
        ("slack://a/b/c", "slack://..."),
        ("mailto://user:pw@example.com", "mailto://..."),
        ("nonsense", "(hidden)"),
    ],
)
def test_of_an_address_the_host_is_shown(address: str, shown: str) -> None:
    assert host_of(address) == shown


@given(
    st.text(),
    st.dictionaries(
        st.text(min_size=1).filter(lambda key: key not in {"event", "self", "exc_info"}),
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(),
            lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
            max_leaves=5,
        ),
        max_size=4,
    ),
)
def test_whatever_is_told_is_one_printable_line(message: str, told: dict[str, object]) -> None:
    for form in ("text", "json"):
        stream = io.StringIO()
        logs.set_up(form, stream)
        try:
            log.info(message, **told)
        finally:
            logs.set_up()
        assert stream.getvalue().endswith("\n")
        line = stream.getvalue()[:-1]
        assert line.isprintable()
        if form == "json":
            json.loads(line, parse_constant=pytest.fail)
