"""Fill in a template: every value is made safe and escaped."""

from __future__ import annotations

from functools import cache
from importlib.resources import files

from jinja2 import DictLoader, Environment, StrictUndefined

from holystone.outside.text import safe
from holystone.planner.units import format_size
from holystone.present.format import plural
from holystone.present.html.named import fitted


def filled(template: str, **values: object) -> str:
    """The template of this name with these values."""
    return _environment().get_template(template).render(**values)


@cache
def _environment() -> Environment:
    # Read as resources, so that they are found in holystone.pyz as well.
    folder = files("holystone.present.html").joinpath("templates")
    texts = {each.name: each.read_text(encoding="utf-8") for each in folder.iterdir()}
    made = Environment(
        loader=DictLoader(texts),
        autoescape=True,
        finalize=_clean,
        undefined=StrictUndefined,
        keep_trailing_newline=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters |= {"size": format_size, "px": _pixels, "plural": plural, "fitted": fitted}
    return made


def _clean(value: object) -> object:
    """A value that is about to be written: text from outside without control characters."""
    markup = hasattr(value, "__html__")  # What a macro made has been through here already.
    return safe(value) if isinstance(value, str) and not markup else value


def _pixels(value: float) -> str:
    """A coordinate: to a tenth of a pixel, and as short as that can be written."""
    return f"{value:.1f}".removesuffix(".0")
