"""Reports of made-up hosts, and what their pages say."""

from __future__ import annotations

from collections.abc import Sequence
from html.parser import HTMLParser

from holystone.operations.report import HostReport
from holystone.planner.inventory import (
    CacheRecord,
    Container,
    Disk,
    Engine,
    Image,
    Inventory,
    Layer,
    Volume,
)
from holystone.planner.pieces import pieces_of
from holystone.planner.plan import plan
from holystone.planner.policy import LEVELS, TAKES, Policy
from holystone.planner.totals import Beside
from holystone.planner.usage import Usage
from holystone.store.records import RunSummary
from holystone.store.samples import Sample

NOW = 1_760_000_000.0
DAY = 86400.0
ENGINE = Engine("6f0c", "runner-7", "28.5.1", "1.51", "overlay2")
HOSTILE = (
    "<script>document.title='owned'</script>",
    '"><img src=x onerror=alert(1)>',
    "' onload='alert(1)",
    "javascript:alert(1)",
    "{{ 7*7 }}{% raw %}",
    "]]></style></svg><script>alert(2)</script>",
    "\u202egnp.exe\u2066 \x1b[31mred\x1b[0m \x00 &lt;b&gt;",
    "https://elsewhere.example/x.png",
)
"""What may stand in names and labels and must do nothing on a page."""


def report_of(
    inventory: Inventory,
    *,
    samples: Sequence[Sample] = (),
    runs: Sequence[RunSummary] = (),
    endpoint: str = "unix:///var/run/docker.sock",
) -> HostReport:
    """The report of this host under the default policy, without asking registries."""
    policies = {level: Policy(level, TAKES[level], check_registry=False) for level in LEVELS}
    plans = {
        level: plan(inventory, Usage(), policy, inventory.taken_at)
        for level, policy in policies.items()
    }
    marks = policies["routine"].disk
    pieces = pieces_of(inventory)
    return HostReport(endpoint, inventory, Beside(read=True), plans, marks, pieces, samples, runs)


def large_host(images: int, *, longer: str = "") -> Inventory:
    """A host of so many images in 97 repositories, with layers of their own and shared ones.

    ``longer`` is added to every name.
    """
    made = []
    for number in range(images):
        repository = (
            f"registry.example.com/platform/team-{number % 97 // 8}/service-{number % 97}{longer}"
        )
        base = Layer(f"sha256:{number % 12:064x}", 80_000_000 + number % 12 * 7_000_000)
        middle = Layer(f"sha256:{10_000 + number % 200:064x}", 20_000_000)
        own = Layer(f"sha256:{1_000_000 + number:064x}", 1_000_000 + number * 7919 % 90_000_000)
        tags = () if number % 9 == 0 else (f"{repository}:build-{number}-20251009",)
        made.append(
            Image(
                f"sha256:{2_000_000 + number:064x}",
                tags,
                digests=(f"{repository}@sha256:{number:064x}",) if tags else (),
                created=NOW - (number % 90) * DAY,
                arrived=NOW - (number % 90) * DAY,
                size=base.size + middle.size + own.size,
                layers=(base, middle, own),
            )
        )
    containers = tuple(
        Container(
            f"{number:064x}", f"job-{number}{longer}", made[number % images].id, "app", "exited",
            created=NOW - 9 * DAY, finished=NOW - 8 * DAY, writable_size=number * 1_000_000,
        )
        for number in range(min(images, 60))
    )  # fmt: skip
    cache = tuple(
        CacheRecord(
            f"record{number}",
            description=f"mount / from exec /bin/sh -c make step-{number}{longer}",
            size=5_000_000 + number * 31_000 % 800_000_000,
            created=NOW - 20 * DAY,
            last_used=NOW - number % 20 * DAY,
        )
        for number in range(images // 2)
    )
    volumes = tuple(
        Volume(f"data-{number}{longer}", size=number * 9_000_000, created=NOW - 40 * DAY)
        for number in range(min(images, 80))
    )
    disk = Disk(2_000_000_000_000, 400_000_000_000)
    return Inventory(ENGINE, NOW, tuple(made), containers, cache, volumes, disk=disk)


def hostile_host() -> Inventory:
    """A host on which every text that somebody else chose is hostile."""
    images = tuple(
        Image(
            f"sha256:{number:064x}",
            (f"{text}:{text}",),
            labels={text: text},
            created=NOW - 90 * DAY,
            size=900_000_000,
            layers=(
                Layer("sha256:base", 400_000_000),
                Layer(f"sha256:own{number}", 500_000_000),
            ),
        )
        for number, text in enumerate(HOSTILE)
    )
    containers = tuple(
        Container(
            f"{number:064x}", text, images[number].id, text, "running",
            created=NOW - 9 * DAY, writable_size=700_000_000, labels={text: text},
        )
        for number, text in enumerate(HOSTILE)
    )  # fmt: skip
    cache = tuple(
        CacheRecord(text, type=text, description=text, size=600_000_000, created=NOW - 30 * DAY)
        for text in HOSTILE
    )
    volumes = tuple(
        Volume(text, size=800_000_000, created=NOW - 30 * DAY, labels={text: text})
        for text in HOSTILE
    )
    engine = ENGINE._replace(name=HOSTILE[0], version=HOSTILE[1], storage_driver=HOSTILE[5])
    disk = Disk(100_000_000_000, 30_000_000_000)
    return Inventory(engine, NOW, images, containers, cache, volumes, disk=disk)


class Seen(HTMLParser):
    """What a page consists of: its tags with their attributes, its links, anchors and texts."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: set[str] = set()
        self.links: list[str] = []
        self.anchors: list[str] = []
        self.texts: list[str] = []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        for name, value in attrs:
            self.attributes.add(name)
            if name in ("href", "src"):
                self.links.append(value or "")
            if name == "id":
                self.anchors.append(value or "")

    def handle_data(self, data: str) -> None:
        self.texts.append(data)
