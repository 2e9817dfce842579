"""Changes of the images on an engine, chosen by chance: what people and jobs do to them."""

from __future__ import annotations

import random
import subprocess
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

from holystone.planner.inventory import Image
from tests.engines import Engine
from tests.engines.images import ImageToLoad, build, busybox_layer, layer, load, tar_of


class Changes:
    """Changes images of one test: all have its name in their names, or the label ``of``."""

    def __init__(self, engine: Engine, unique: str, chance: random.Random) -> None:
        self.engine, self.unique, self.chance = engine, unique, chance
        self.count = 0
        self.names = [f"{unique}-{letter}:{tag}" for letter in "abc" for tag in "12"]
        self.base = f"{unique}-base:1"
        self._load([self.base], busybox=True)

    def one(self, there: Mapping[str, Image]) -> str:
        """Make one change; ``there`` are the images by ID. What it was."""
        tags = [
            tag for image in there.values() for tag in image.tags if not tag.endswith(self.base)
        ]
        nameless = [image.id for image in there.values() if not image.tags]
        name = self.chance.choice(self.names)
        kinds = ["load", "build", "fail", "commit", "import"]
        kinds += ["tag", "rmi", "rmi", "rmi", "archive", "build on"] if tags else []
        kinds += ["tag nameless", "rmi nameless", "rmi nameless"] if nameless else []
        kind = self.chance.choice(kinds)
        if kind == "load":
            self._load([name])
        elif kind == "build":
            self.build(name, steps=self.chance.randint(1, 3))
        elif kind == "build on":
            self.build(name, steps=self.chance.randint(1, 2), base=self.chance.choice(tags))
        elif kind == "fail":
            self.build(name, steps=self.chance.randint(1, 2), fails=True)
        elif kind == "commit":
            self._commit(name if self.chance.random() < 0.5 else "")
        elif kind == "import":
            self._import(name if self.chance.random() < 0.5 else "")
        elif kind == "tag":
            self.try_it("tag", self.chance.choice(tags), name)
        elif kind == "tag nameless":
            self.try_it("tag", self.chance.choice(nameless), name)
        elif kind == "rmi":
            self.try_it("rmi", self.chance.choice(tags))
        elif kind == "rmi nameless":
            self.try_it("rmi", self.chance.choice(nameless))
        else:
            self.load_again(*self.chance.sample(tags, min(len(tags), 2)), removed=True)
        return f"{kind} {name}"

    def try_it(self, *arguments: str) -> None:
        """Run this; an engine may refuse to remove what others are built on."""
        self.engine.docker(*arguments, check=False)

    def build(self, name: str, *, steps: int, base: str = "", fails: bool = False) -> str:
        """Build an image step by step; its ID, or nothing where the build fails after them."""
        self.count += 1
        lines = [f"RUN echo {self.unique} {self.count} {step} > /s{step}" for step in range(steps)]
        lines += ["RUN false"] if fails else []
        written = "\n".join([f"FROM {base or self.base}", *lines, ""])
        try:
            return build(self.engine, written, "-t", name)
        except subprocess.CalledProcessError:
            # An image without busybox may be the base.
            assert fails or base, written
            return ""

    def _load(self, names: list[str], *, busybox: bool = False) -> None:
        self.count += 1
        layers = [*([busybox_layer()] if busybox else []), layer(f"{self.unique}{self.count}", 900)]
        load(self.engine, ImageToLoad(layers, names, labels={"of": self.unique}))

    def _commit(self, name: str) -> None:
        self.count += 1
        container = f"{self.unique}-{self.count}"
        self.engine.docker(
            *("run", "--network", "none", "--name", container, self.base),
            *("sh", "-c", f"echo {container} > /c"),
        )
        self.engine.docker("commit", container, *([name] if name else []))
        self.engine.docker("rm", container)

    def _import(self, name: str) -> None:
        self.count += 1
        archive = tar_of({f"files/{self.count}": self.unique.encode() * self.count})
        label = ("--change", f"LABEL of={self.unique}")
        self.engine.docker("import", *label, "-", *([name] if name else []), stdin=archive)

    def load_again(self, *tags: str, removed: bool = False) -> None:
        """Load images from one archive of them, where ``removed`` is set after they went."""
        with TemporaryDirectory() as folder:
            archive = Path(folder) / "images.tar"
            self.engine.docker("save", "-o", str(archive), *tags)
            for tag in tags if removed else ():
                self.try_it("rmi", tag)
            self.engine.docker("load", "-i", str(archive))
