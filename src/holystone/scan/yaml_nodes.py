"""YAML as values that know their line: anchors, merge keys and tags resolved, within limits.

Only PyYAML's events are used. No object is constructed from a file. An alias refers to the one
value it names. A file that is huge, deep or contains itself is reported and not followed.
"""

from __future__ import annotations

import re
from collections.abc import ItemsView, Iterator
from typing import Any, NamedTuple, Union

from holystone.scan.findings import INVALID, TEMPLATE, Learned, Place, Unreadable

MOST_VALUES = 200_000
"""Values of a file, those that merge keys bring in counted as often as they do."""
DEEPEST = 100
"""GitLab's own limit."""

_STANDARD = "tag:yaml.org,2002:"
_CONTROL = re.compile(r"^[ \t]*(?:-[ \t]*)?(\{%|<%|\{\{)", re.MULTILINE)
_QUOTED = re.compile(r"('(?:<[a-z ]+>|\\t|[^\w\s])')|'[^']*'?|\"[^\"]*\"?")
_LONGEST_PROBLEM = 200


class Scalar(NamedTuple):
    """A text, or what YAML takes for a number, a flag or nothing."""

    text: str
    kind: str
    """``str``, ``int``, ``float``, ``bool``, ``null``, ``template``, or another tag."""
    place: Place
    literal: bool = False
    """Whether it is a block that keeps its lines, which begin after that of its key."""

    @property
    def plain(self) -> str | None:
        """The text a program makes of it; None where that is not certain."""
        if self.kind == "str":
            return self.text
        if self.kind == "int" and re.fullmatch(r"-?(0|[1-9][0-9]*)", self.text):
            return self.text
        if self.kind == "float" and re.fullmatch(r"-?[0-9]+\.[0-9]*[1-9]0*", self.text):
            return self.text.rstrip("0")  # 3.10 is the number 3.1.
        return None


class Items(NamedTuple):
    """A sequence."""

    values: tuple[Value, ...]
    tag: str
    """``seq``, or another tag: ``!reference``."""
    place: Place


class Table(NamedTuple):
    """A mapping by the text of its keys; of equal keys the last counts."""

    values: dict[str, Value]
    place: Place

    def get(self, key: str) -> Value | None:
        """The value of a key, None where there is none."""
        return self.values.get(key)


Value = Union["Scalar", "Items", "Table"]


def below(value: Value | None, *keys: str) -> Value | None:
    """What stands below these keys, one in the other; None where that is nothing."""
    for key in keys:
        value = value.get(key) if isinstance(value, Table) else None
    return value


def pairs(value: Value | None) -> ItemsView[str, Value]:
    """The keys and values of a mapping; none of anything else."""
    return (value.values if isinstance(value, Table) else {}).items()


def items(value: Value | None) -> tuple[Value, ...]:
    """The values of a list; none of anything else."""
    return value.values if isinstance(value, Items) else ()


def one_or_more(value: Value | None) -> tuple[Value | None, ...]:
    """The values of a list, or the one value that stands in the place of it."""
    return value.values if isinstance(value, Items) else (value,)


def texts(value: Value | None) -> list[Scalar]:
    """A text or a list of texts as a list; what else is there is passed over."""
    values = one_or_more(value)
    return [each for each in values if isinstance(each, Scalar) and each.kind == "str"]


def is_null(value: Value | None) -> bool:
    """Whether YAML takes it for nothing."""
    return isinstance(value, Scalar) and value.kind == "null"


def leave_odd(learned: Learned, image: Value) -> None:
    """Note what stands where the name of an image should, and is none."""
    why = "no image reference: "
    if not isinstance(image, Scalar):
        learned.leave("image", image.place, INVALID, f"{why}a list or a mapping")
    elif image.kind == "template":
        learned.leave(image.text, image.place, TEMPLATE, "a template: something else fills it in")
    elif image.kind != "null":
        learned.leave(image.text, image.place, INVALID, f"{why}YAML takes it for no text")


def documents(text: str, file: str, *, as_ruby: bool = False) -> list[Value]:
    """The documents of a YAML text. Raises Unreadable.

    What a merge key brings in gives way to the keys beside it. For Ruby, and so for GitLab, that
    holds of the keys after it only: it replaces those that stand before it (psych, ``to_ruby.rb``).
    """
    try:
        yaml = _pyyaml()
    except ImportError:
        raise Unreadable("YAML is read with PyYAML, and Python has none; install it") from None
    try:
        return list(_Composer(yaml, text, file, as_ruby=as_ruby).documents())
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise Unreadable("it is no YAML: a character that YAML does not know", line) from None
    except yaml.YAMLError as error:
        if control := _CONTROL.search(text):
            line = text.count("\n", 0, control.start(1)) + 1
            why = f"a template, with {control[1]}: it is YAML only once it is filled in"
            raise Unreadable(why, line) from None
        mark = getattr(error, "problem_mark", None)
        problem = getattr(error, "problem", None) or str(error)
        raise _not_yaml(problem, mark.line + 1 if mark else 0) from None
    except (ValueError, OverflowError) as error:
        # PyYAML lets one of these through for escapes and directives out of all bounds.
        raise _not_yaml(str(error)) from None


def events(text: str) -> list[Any]:
    """What PyYAML reads of a text, with the marks of where it stands; empty where it is no YAML."""
    try:
        yaml = _pyyaml()
    except ImportError:
        return []
    try:
        return list(yaml.parse(text, Loader=yaml.SafeLoader))
    except (ValueError, OverflowError, yaml.YAMLError):
        return []


def _pyyaml() -> Any:
    """PyYAML: few runs need it, and it may not be there. Raises ImportError."""
    import yaml

    return yaml


def _not_yaml(problem: str, line: int = 0) -> Unreadable:
    """What PyYAML says, without what it quotes of the text but for the names of its own tokens."""
    said = " ".join(_QUOTED.sub(lambda quoted: quoted[1] or "...", problem).split())
    return Unreadable(f"it is no YAML: {said[:_LONGEST_PROBLEM]}", line)


class _Composer:
    """Makes values of the events of one text."""

    def __init__(self, yaml: Any, text: str, file: str, *, as_ruby: bool) -> None:
        self.loader = yaml.SafeLoader(text)
        self.scalar_node = yaml.ScalarNode
        self.file = file
        self.as_ruby = as_ruby
        self.anchors: dict[str, Value | None] = {}
        """None for one whose value is not complete yet."""
        self.left = MOST_VALUES

    def documents(self) -> Iterator[Value]:
        for event in self._until("StreamEndEvent"):
            if type(event).__name__ == "DocumentStartEvent":
                self.anchors = {}
                yield self._value(self.loader.get_event(), 0)

    def _until(self, end: str) -> Iterator[Any]:
        while type(event := self.loader.get_event()).__name__ != end:
            yield event

    def _value(self, event: Any, depth: int) -> Value:
        place, what = Place(self.file, event.start_mark.line + 1), type(event).__name__
        self._count(1, place)
        if depth > DEEPEST:
            raise Unreadable(f"it is nested more than {DEEPEST} levels deep", place.line)
        anchor: str | None = event.anchor
        if what == "AliasEvent":
            if anchor not in self.anchors:
                raise Unreadable(f"it is no YAML: there is no anchor &{anchor} above", place.line)
            if (named := self.anchors[anchor]) is None:
                raise Unreadable(f"the anchor &{anchor} holds itself", place.line)
            return named
        if anchor:
            self.anchors[anchor] = None
        value: Value
        if what == "SequenceStartEvent":
            inside = tuple(self._value(each, depth + 1) for each in self._until("SequenceEndEvent"))
            value = Items(inside, (event.tag or "seq").removeprefix(_STANDARD), place)
        elif what == "MappingStartEvent":
            value = self._table(place, depth + 1)
        else:
            tag = event.tag
            if tag is None or tag == "!":
                tag = self.loader.resolve(self.scalar_node, event.value, event.implicit)
            value = Scalar(event.value, tag.removeprefix(_STANDARD), place, event.style == "|")
        if anchor:
            self.anchors[anchor] = value
        return value

    def _table(self, place: Place, depth: int) -> Value:
        own: dict[str, Value] = {}
        merged: dict[str, Value] = {}
        template: Scalar | None = None
        for event in self._until("MappingEndEvent"):
            key = self._value(event, depth)
            value = self._value(self.loader.get_event(), depth)
            if not isinstance(key, Scalar):
                # Unquoted, "{{ name }}" is a mapping in a mapping.
                names = ", ".join(key.values) if isinstance(key, Table) else "..."
                template = Scalar(f"{{{{ {names} }}}}", "template", place)
            elif key.kind == "merge":
                (own if self.as_ruby else merged).update(self._merged(value, place))
            else:
                own[key.text] = value
        if template is not None and not own:
            return template
        return Table(merged | own, place)

    def _merged(self, value: Value, place: Place) -> dict[str, Value]:
        """What a merge key brings in: of several mappings the first has precedence."""
        found: dict[str, Value] = {}
        for table in one_or_more(value):
            if isinstance(table, Table):
                self._count(len(table.values), place)
                found = table.values | found
        return found

    def _count(self, values: int, place: Place) -> None:
        self.left -= values
        if self.left < 0:
            raise Unreadable(f"it has more than {MOST_VALUES} values", place.line)
