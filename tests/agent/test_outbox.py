"""Messages reach their receivers once and in order, whatever happens on the way."""

import io
import json
import os
import signal
import stat
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from holystone.agent import alert_file, apprise, apprise_child, webhook
from holystone.agent.alert import Alert, Key, Kind, Message, Severity
from holystone.agent.apprise_urls import read_addresses
from holystone.agent.outbox import Outbox, back_off
from holystone.agent.waiting import MOST
from holystone.config.agent_settings import Alerts as Settings
from holystone.store import StoreError
from tests.agent.receiver import Receiver, Request, receiving, until

AT = 1_800_000_000.0
Made = Callable[..., Outbox]


pytestmark = pytest.mark.usefixtures("no_proxy")


def held(receiver: Receiver) -> tuple[threading.Event, threading.Event]:
    """Have it answer once the first event is set; it sets the second when a request has come."""
    hold, seen = threading.Event(), threading.Event()

    def wait(_: Request) -> int:
        seen.set()
        assert hold.wait(60)
        return 200

    receiver.answer = wait
    return hold, seen


@pytest.fixture
def made(tmp_path: Path) -> Iterator[Made]:
    """Makes an agent's outbox; all have one state folder."""
    every: list[Outbox] = []

    def make(wait: float = 0.01, *, start: bool = True, **settings: Any) -> Outbox:
        state = str(tmp_path / "state")
        outbox = Outbox(Settings(**settings), "runner-7", "unix:///e", state, lambda _: wait)
        every.append(outbox)
        if start:
            outbox.start()
        return outbox

    yield make
    for each in every:
        each.close(5)


def message(number: int) -> Message:
    alert = Alert(Key(Kind.RUN_FAILED, "weekly"), Severity.WARNING, f"number {number}", AT)
    return Message(AT, (alert,))


def numbers(requests: list[Request]) -> list[int]:
    return [int(each.told["alerts"][0]["summary"].split()[1]) for each in requests]


def test_each_message_arrives_once_in_order(made: Made, receiver: Receiver) -> None:
    outbox = made(webhook=receiver.url)
    for number in range(20):
        outbox.put([message(number)])
    assert numbers(receiver.wait(20)) == list(range(20))
    assert outbox.close(10)
    assert len(receiver.requests) == 20
    assert len({each.told["id"] for each in receiver.requests}) == 20


def test_a_receiver_that_refuses_gets_it_later(made: Made, receiver: Receiver) -> None:
    answers = iter([500, 503, 429, 200, 502])
    receiver.answer = lambda _: next(answers, 200)
    outbox = made(webhook=receiver.url)
    outbox.put([message(0), message(1)])
    assert numbers(receiver.wait(6)) == [0, 0, 0, 0, 1, 1]
    assert len({each.told["id"] for each in receiver.requests[:4]}) == 1
    assert outbox.close(10)


def test_a_receiver_that_is_down_gets_all_when_it_is_back(made: Made, log: io.StringIO) -> None:
    with receiving() as receiver:
        url, port = receiver.url, receiver.port
    outbox = made(webhook=url)
    for number in range(5):
        outbox.put([message(number)])
    until(lambda: "tries=3" in log.getvalue())
    with receiving(port) as receiver:
        assert numbers(receiver.wait(5)) == [0, 1, 2, 3, 4]
        assert outbox.close(10)
        assert len(receiver.requests) == 5


def test_a_restart_goes_on_where_the_one_before_ended(made: Made, receiver: Receiver) -> None:
    receiver.answer = lambda request: 200 if "number 0" in str(request.body) else 500
    first = made(1000, webhook=receiver.url)
    first.put([message(0), message(1), message(2)], [{"kind": "x"}])
    receiver.wait(2)
    assert not first.close(10)
    receiver.answer = lambda _: 200
    again = made(webhook=receiver.url)
    assert again.firing == [{"kind": "x"}]
    again.put([message(3)])
    assert numbers(receiver.wait(5)) == [0, 1, 1, 2, 3]
    assert receiver.requests[1].told == receiver.requests[2].told
    assert again.close(10)
    assert made(webhook=receiver.url).waiting == 0
    assert len(receiver.requests) == 5


def test_what_is_kept_is_for_this_user_alone(
    made: Made, tmp_path: Path, receiver: Receiver
) -> None:
    outbox = made(webhook=receiver.url, start=False)
    outbox.put([message(0)], [])
    outbox.close(1)
    path = tmp_path / "state" / alert_file.NAME
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    told = json.loads(path.read_text())
    assert told["format"] == 1
    assert told["waiting"][0]["lanes"] == ["webhook"]
    assert "SECRET" not in path.read_text()


def test_an_agent_that_was_killed_while_it_sent_sends_it_again(
    made: Made, receiver: Receiver, tmp_path: Path
) -> None:
    hold, seen = held(receiver)
    outbox = made(webhook=receiver.url)
    outbox.put([message(0)], [])
    assert seen.wait(60)
    # What the disk has at this moment is what an agent after a kill finds.
    assert alert_file.read(str(tmp_path / "state")).waiting[0]["lanes"] == ["webhook"]
    hold.set()
    assert outbox.close(10)
    assert alert_file.read(str(tmp_path / "state")).waiting == []


def test_a_message_that_is_refused_for_good_lets_the_others_through(
    made: Made, receiver: Receiver, log: io.StringIO
) -> None:
    receiver.answer = lambda request: 400 if "number 0" in str(request.body) else 200
    outbox = made(webhook=receiver.url)
    outbox.put([message(0), message(1)])
    assert numbers(receiver.wait(6)) == [0, 0, 0, 0, 0, 1]
    assert outbox.close(10)
    assert "an alert was given up" in log.getvalue()


def test_the_oldest_go_where_too_many_wait(
    made: Made, receiver: Receiver, log: io.StringIO
) -> None:
    outbox = made(webhook=receiver.url, start=False)
    for number in range(MOST + 3):
        outbox.put([message(number)])
    assert outbox.waiting == MOST
    assert log.getvalue().count("an alert was given up") == 3
    outbox.start()
    assert numbers(receiver.wait(MOST)) == list(range(3, MOST + 3))


def test_one_that_goes_while_it_is_sent_does_no_harm(made: Made, receiver: Receiver) -> None:
    hold, seen = held(receiver)
    outbox = made(webhook=receiver.url)
    outbox.put([message(0)])
    assert seen.wait(60)
    for number in range(1, MOST + 1):
        outbox.put([message(number)])
    hold.set()
    assert numbers(receiver.wait(MOST + 1)) == list(range(MOST + 1))


def test_nobody_to_tell_is_no_queue(made: Made) -> None:
    outbox = made()
    outbox.put([message(0)])
    assert outbox.waiting == 0
    assert outbox.close(1)


def test_another_configuration_counts_at_once(made: Made, receiver: Receiver) -> None:
    with receiving() as gone:
        url = gone.url
    outbox = made(1000, webhook=url)
    outbox.put([message(0)])
    outbox.use(Settings(webhook=receiver.url))
    outbox.put([message(1)])
    assert numbers(receiver.wait(2)) == [0, 1]
    until(lambda: outbox.waiting == 0)
    receiver.answer = lambda _: 500
    outbox.put([message(2)])
    receiver.wait(3)
    outbox.use(Settings())
    assert outbox.waiting == 0


def test_the_end_does_not_wait_for_a_receiver_that_does_not_answer(
    made: Made, receiver: Receiver, tmp_path: Path
) -> None:
    hold, seen = held(receiver)
    outbox = made(webhook=receiver.url)
    outbox.put([message(0)], ["a"])
    assert seen.wait(60)
    outbox.put([message(1)], ["b"])
    assert not outbox.close(0.05)
    kept = alert_file.read(str(tmp_path / "state"))
    assert (kept.firing, len(kept.waiting)) == (["b"], 2)
    hold.set()


def test_a_state_folder_that_cannot_be_written_stops_no_alert(
    receiver: Receiver, tmp_path: Path, log: io.StringIO
) -> None:
    in_the_way = tmp_path / "file"
    in_the_way.write_text("")
    outbox = Outbox(Settings(webhook=receiver.url), "h", "e", str(in_the_way / "state"))
    outbox.start()
    outbox.put([message(0), message(1)])
    assert numbers(receiver.wait(2)) == [0, 1]
    assert outbox.close(10)
    assert log.getvalue().count("alerts may be sent again after a restart") == 1


KEPT = {
    "id": "a",
    "document": {},
    "told": {"title": "", "body": "", "mood": ""},
    "lanes": ["webhook"],
}


@pytest.mark.parametrize(
    "content",
    ["", "{", "[]", '{"format": 2}', "[" * 100_000, "\x00" * 10, '{"format": 1}',
     '{"format": 1, "firing": 3, "waiting": {"a": 1}}',
     '{"format": 1, "waiting": [1, null, {"id": 1}]}', json.dumps({"format": 1, "waiting": [
         {**KEPT, "id": 1}, {**KEPT, "lanes": ["rm"]}, {**KEPT, "lanes": []}, {**KEPT, "told": {}},
         {**KEPT, "document": 1}, {**KEPT, "lanes": 3}, {**KEPT, "lanes": [3]}]})],
)  # fmt: skip
def test_nonsense_in_the_file_stops_nothing(
    made: Made, receiver: Receiver, tmp_path: Path, content: str, log: io.StringIO
) -> None:
    state = tmp_path / "state"
    state.mkdir(mode=0o700)
    (state / alert_file.NAME).write_text(content)
    outbox = made(webhook=receiver.url)
    outbox.put([message(0)])
    assert numbers(receiver.wait(1)) == [0]
    assert outbox.close(10)
    assert alert_file.read(str(state)).waiting == []


def test_a_link_in_place_of_the_file_is_refused(tmp_path: Path) -> None:
    state = tmp_path / "state"
    alert_file.write(str(state), alert_file.Kept([], []))
    elsewhere = tmp_path / "elsewhere"
    elsewhere.write_text("precious")
    for name in (alert_file.NAME, f"{alert_file.NAME}.new"):
        (state / name).unlink(missing_ok=True)
        (state / name).symlink_to(elsewhere)
    with pytest.raises(StoreError, match="symbolic link"):
        alert_file.write(str(state), alert_file.Kept([], []))
    with pytest.raises(StoreError, match="symbolic link"):
        alert_file.read(str(state))
    assert elsewhere.read_text() == "precious"


def test_the_wait_grows_to_five_minutes_and_differs_from_host_to_host() -> None:
    waits = [back_off(failures) for failures in range(1, 2000)]
    assert 0.75 <= waits[0] <= 1
    assert max(waits) <= 300
    assert min(waits[10:]) >= 225
    assert len(set(waits[10:])) > 100


def urls(tmp_path: Path, *lines: str) -> str:
    path = tmp_path / "apprise.urls"
    path.write_text("# who hears\n\n" + "\n".join(lines) + "\n")
    path.chmod(0o600)
    return str(path)


def test_apprise_sends_to_each_address_and_tries_only_those_again_that_failed(
    made: Made, receiver: Receiver, tmp_path: Path, log: io.StringIO
) -> None:
    refusals = iter([503])
    receiver.answer = lambda request: next(refusals, 200) if request.path == "/two" else 200
    at = f"127.0.0.1:{receiver.port}"
    file = urls(tmp_path, f"json://me:HUSH@{at}/one", f"json://{at}/two?+X-Token=HUSH")
    outbox = made(urls_file=file)
    outbox.put([message(0)])
    assert sorted(each.path for each in receiver.wait(3)) == ["/one", "/two", "/two"]
    assert outbox.close(60)
    assert len(receiver.requests) == 3
    told = receiver.requests[0].told
    assert told["title"] == "[warning] runner-7: number 0"
    assert told["message"].startswith("[warning] number 0 (run_failed)\n")
    assert told["type"] == "warning"
    assert "the service answered 503" in log.getvalue()
    assert "HUSH" not in log.getvalue()


def test_an_address_that_is_down_holds_up_no_other(
    made: Made, receiver: Receiver, tmp_path: Path
) -> None:
    file = urls(tmp_path, "json://127.0.0.1:1/down", f"json://127.0.0.1:{receiver.port}/up")
    outbox = made(1000, urls_file=file)
    outbox.put([message(0)])
    receiver.wait(1)
    outbox.put([message(1)])
    receiver.wait(2)
    until(lambda: outbox.waiting == 2)
    # One that is taken out of the file waits for nothing.
    urls(tmp_path, f"json://127.0.0.1:{receiver.port}/up")
    outbox.use(Settings(urls_file=file))
    until(lambda: outbox.waiting == 0)
    assert [each.path for each in receiver.requests] == ["/up", "/up"]


def test_a_file_that_everybody_can_read_is_not_used_until_it_is_mended(
    made: Made, receiver: Receiver, tmp_path: Path, log: io.StringIO
) -> None:
    file = urls(tmp_path, f"json://127.0.0.1:{receiver.port}/HUSH")
    os.chmod(file, 0o644)
    outbox = made(urls_file=file)
    outbox.put([message(0)])
    until(lambda: "tries=2" in log.getvalue())
    assert receiver.requests == []
    assert "everybody on this machine can read it (mode 644)" in log.getvalue()
    os.chmod(file, 0o600)
    receiver.wait(1)
    assert "HUSH" not in log.getvalue()


def test_both_kinds_of_receivers_do_not_wait_for_each_other(
    made: Made, receiver: Receiver, tmp_path: Path
) -> None:
    with receiving() as gone:
        url = gone.url
    outbox = made(
        0.05, webhook=url, urls_file=urls(tmp_path, f"json://127.0.0.1:{receiver.port}/a")
    )
    outbox.put([message(0), message(1)])
    assert [each.told["title"][-1] for each in receiver.wait(2)] == ["0", "1"]
    assert outbox.waiting == 2


def test_a_child_that_does_not_end_is_ended(receiver: Receiver, tmp_path: Path) -> None:
    hold = threading.Event()

    def wait(request: Request) -> int:
        if request.path == "/slow":
            assert hold.wait(60)
        return 200

    receiver.answer = wait
    at = f"127.0.0.1:{receiver.port}"
    file = urls(tmp_path, f"json://{at}/slow?rto=300&cto=300", f"json://{at}/quick")
    addresses = read_addresses(file)
    told = {"title": "t", "body": "b", "mood": "info"}
    found = apprise.deliver(file, [each.number for each in addresses], told, 4.0)
    hold.set()
    slow, quick = (found[each.number] for each in addresses)
    assert not slow.ok
    assert quick.ok
    assert slow.target == "json://... (line 3)"


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("nonsense://a/HUSH", "Apprise does not know such an address"),
        ("json://127.0.0.1:1/HUSH", "Apprise could not deliver the message: it cannot be reached"),
    ],
)
def test_why_apprise_did_not_deliver(tmp_path: Path, line: str, why: str) -> None:
    file = urls(tmp_path, line)
    (address,) = read_addresses(file)
    told = {"title": "t", "body": "b", "mood": "info"}
    (sent,) = apprise.deliver(file, [address.number], told).values()
    assert (sent.ok, sent.said) == (False, why)
    assert "HUSH" not in repr(sent)


def test_what_nobody_expected_is_tried_again_and_its_words_stay_here(
    made: Made, receiver: Receiver, log: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    post, faults = webhook.post, iter([RuntimeError("HUSH")])

    def once(*arguments: Any) -> webhook.Sent:
        for fault in faults:
            raise fault
        return post(*arguments)

    monkeypatch.setattr(webhook, "post", once)
    outbox = made(webhook=receiver.url)
    outbox.put([message(0)])
    assert numbers(receiver.wait(1)) == [0]
    assert outbox.close(10)
    assert "unexpected RuntimeError" in log.getvalue()
    assert "HUSH" not in log.getvalue()


def test_a_process_that_cannot_be_started_or_does_not_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = urls(tmp_path, "json://127.0.0.1:1/")
    (address,) = read_addresses(file)
    told = {"title": "t", "body": "b", "mood": "info"}
    for program, why in (
        ("/bin/false", "the process for Apprise ended without an answer"),
        ("/no/such/python", "cannot start a process for Apprise: no such file or directory"),
    ):
        monkeypatch.setattr(sys, "executable", program)
        sent = apprise.deliver(file, [address.number], told)[address.number]
        assert (sent.ok, sent.said) == (False, why)


def test_without_apprise_the_child_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "apprise", None)
    monkeypatch.setattr(signal, "alarm", lambda _: 0)
    asked = {"urls_file": urls(tmp_path, "json://h/"), "only": [], "seconds": 5}
    assert list(apprise_child._results(asked)) == [
        {"error": "Apprise is not installed. Install holystone[agent]"}
    ]
