"""Whether registries can give the images of a host back: remembered for a day, else asked."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import NamedTuple

from holystone.engine.client import Client
from holystone.planner.inventory import Image, Inventory
from holystone.planner.names import digest_references
from holystone.registry.credentials import Credentials
from holystone.registry.probe import Answer, Asker
from holystone.store.store import Store
from holystone.usage.store_port import RegistryWord

REMEMBERED = 86400.0
"""Seconds for which a registry's yes or no counts."""
UNREACHED = 60.0
"""Seconds for which it counts, within one run, that a registry could not be asked."""


class Told(NamedTuple):
    """What a registry said of one reference, and when (UTC seconds)."""

    has: bool | None
    said: str
    at: float

    def counts(self, now: float) -> bool:
        """Whether it is recent enough."""
        return 0 <= now - self.at < (UNREACHED if self.has is None else REMEMBERED)


class Confirming:
    """What registries say of the images of one engine, for as long as one run lasts."""

    def __init__(self, asker: Asker, memory: Store, key: str, clock: Callable[[], float]) -> None:
        """``key`` names the engine to the memory."""
        self.asker = asker
        self.memory = memory
        self.key = key
        self.clock = clock
        self.words: dict[str, RegistryWord] = memory.recall_registry(key)
        """By complete reference with a digest."""
        self.told = {
            reference: Told(word.has, word.said, word.asked)
            for reference, word in self.words.items()
            if word.has or (word.has is False and not word.once_there)
        }

    def confirm(
        self, inventory: Inventory, image_ids: Iterable[str], *, anew: bool = False
    ) -> Inventory:
        """The inventory with what registries say of its images, having asked about these.

        ``anew``: ask again even if the answer is stored.
        """
        references = {image.id: self._references(image) for image in inventory.images}
        wanted = [references[i] for i in dict.fromkeys(image_ids) if i in references]
        if anew:
            for reference in (each for group in wanted for each in group):
                self.told.pop(reference, None)
        groups = [self._to_ask(group) for group in wanted]
        present = {each for group in references.values() for each in group}
        self._learn(self.asker.ask(groups) if any(groups) else {}, present)
        classic = inventory.engine.store == "classic"
        applied = (self._applied(i, references[i.id], classic=classic) for i in inventory.images)
        return inventory._replace(images=tuple(applied))

    def note_seen(self, seen: Mapping[str, float]) -> None:
        """Take when pulls and pushes showed that registries have these references."""
        for reference, at in seen.items():
            word = self.words.get(reference, RegistryWord())
            self.words[reference] = word = word._replace(seen=max(at, word.seen))
            if word.has is False and word.once_there:
                # It was pushed since.
                self.told.pop(reference, None)

    def _references(self, image: Image) -> list[str]:
        """The complete references of an image's digests, first those its registry once had."""
        found = dict.fromkeys(map(str, digest_references(image.digests)))
        return sorted(found, key=lambda each: not self._once_there(each))

    def _once_there(self, reference: str) -> bool | None:
        word = self.words.get(reference)
        return None if word is None else word.once_there

    def _current(self, references: Iterable[str]) -> list[Told]:
        now = self.clock()
        told = (self.told.get(reference) for reference in references)
        return [each for each in told if each is not None and each.counts(now)]

    def _to_ask(self, references: Sequence[str]) -> list[str]:
        """Those of an image's references that registries must be asked about; none after a yes."""
        if any(each.has for each in self._current(references)):
            return []
        return [each for each in references if not self._current([each])]

    def _learn(self, answers: Mapping[str, Answer], present: Collection[str]) -> None:
        """Take what registries answered; remember what they said of their images."""
        now = self.clock()
        news = {}
        for reference, answer in answers.items():
            self.told[reference] = Told(answer.has, answer.said, now)
            if answer.has is not None:
                seen = now if answer.has else self.words.get(reference, RegistryWord()).seen
                news[reference] = RegistryWord(answer.has, answer.said, now, seen)
        if news:
            self.words.update(news)
            self.memory.remember_registry(self.key, news, present)

    def _applied(self, image: Image, references: Sequence[str], *, classic: bool) -> Image:
        """The image with what is known of it.

        A yes outweighs everything, and no answer a no. As long as some of its references may be
        asked about, nothing but a yes counts.
        """
        if not references:
            return image
        # On the classic store a digest comes from a registry, or went there.
        once = [self._once_there(each) for each in references]
        once = [classic or None if each is None else each for each in once]
        known_to_be = True if any(once) else (False if False in once else None)
        image = image._replace(from_registry=known_to_be)
        current = self._current(references)
        said = next((each for each in current if each.has), None)
        if said is None and not self._to_ask(references):
            said = next((each for each in current if each.has is None), current[0])
        if said is None:
            return image
        words = "" if said.has else said.said
        return image._replace(in_registry=said.has, registry_said=words, registry_asked=said.at)


def confirming(
    client: Client,
    environ: Mapping[str, str],
    memory: Store,
    key: str,
    clock: Callable[[], float],
) -> Confirming:
    """What asks registries by way of an engine, with the logins of the docker command."""
    return Confirming(Asker(client, Credentials(environ)), memory, key, clock)
