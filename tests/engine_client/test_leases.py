"""An image stays where the leases can no longer be read when it is about to go."""

from __future__ import annotations

from holystone.engine.host import REMOVED, SKIPPED
from holystone.operations.live_host import LiveHost
from holystone.planner.verdict import Step
from tests.cli.faulty import EMPTY
from tests.engine_client.clients import client_of
from tests.engine_client.misbehaving import answers, misbehaving
from tests.usage.forgetful import Forgetful

ID = "sha256:" + "a" * 64


class Losing(Forgetful):
    """A memory whose leases are lost at some time."""

    why = ""

    def leases_unread(self) -> str:
        return self.why


def test_leases_that_are_lost_in_the_middle_of_a_run() -> None:
    image = {"Id": ID, "RepoTags": None, "Created": 1, "Size": 5}
    script = {
        **EMPTY,
        "GET /images/json": answers([image]),
        f"DELETE /images/{ID}": answers([{"Deleted": ID}]),
    }
    memory = Losing()
    step = Step("image", ID, (ID,), 5)
    with misbehaving(script) as engine:
        host = LiveHost(client_of(engine), memory)
        host.observe()
        assert not host.usage().leases_unread
        memory.why = "the disk is broken"
        assert host.usage().leases_unread
        removal = host.remove(step)
        assert removal.result == SKIPPED
        assert "the leases cannot be read" in removal.detail
        memory.why = ""
        assert host.remove(step).result == REMOVED
        host.close()
