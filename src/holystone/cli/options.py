"""The options commands share, and their values as the rest of the program takes them."""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from dataclasses import fields

from holystone.cli import exit_codes
from holystone.cli.parser import Parser, path, value_of
from holystone.cli.session import Failure, warn
from holystone.config.errors import ConfigError, Fault
from holystone.config.load import MEND_HERE, Configuration, load
from holystone.operations.wishes import Wishes
from holystone.outside.text import safe
from holystone.planner.policy import LEVELS, Policy
from holystone.planner.units import parse_duration, parse_size

__all__ = (
    "Parser",
    "add_config",
    "add_engine",
    "add_limits",
    "add_output",
    "add_policy",
    "add_registry",
    "add_state",
    "configuration",
    "files_read",
    "path",
    "policy_of",
    "refused",
    "value_of",
    "wishes_of",
)

_DAY = 86400
_SILENCE = 10.0
"""Seconds: how long an engine may be silent by default; see ``engine.transport.http``."""
_CENTURY = 36525 * _DAY
_SHOWN = 10
"""At most so many settings without effect are shown; ``config check`` shows all."""
_SAYS = {"everything": "", "protection": " (can only protect more)"}


def _wait(text: str) -> float:
    seconds = parse_duration(text)
    if not 0 < seconds <= _DAY:
        raise ValueError(f"{text!r} is no time to wait; from 1s to 1d makes sense")
    return seconds


def _age(text: str) -> float:
    seconds = parse_duration(text)
    if seconds > _CENTURY:
        raise ValueError(f"{text!r} is older than anything can be")
    return seconds


def _word(text: str) -> str:
    """What somebody names. Raises ValueError where that is nothing."""
    if not text.strip():
        raise ValueError("it is empty, as a variable is that was never set")
    return text


def add_engine(parser: argparse.ArgumentParser) -> None:
    """Which engine, and how patient to be with it."""
    group = parser.add_argument_group("engine")
    group.add_argument(
        "-H",
        "--host",
        metavar="URL",
        help="unix:///path, tcp://host:port, ssh://user@host, or demo: for the built-in host",
    )
    group.add_argument("-c", "--context", metavar="NAME", help="a context of the docker command")
    group.add_argument(
        "--timeout",
        metavar="TIME",
        type=value_of(_wait),
        default=_SILENCE,
        help="how long to wait for an answer of the engine (default 10s); 30 times as long "
        "if the engine works before it answers, such as when it deletes an image",
    )
    add_state(group)


def add_wait(parser: argparse.ArgumentParser) -> None:
    """How patient to be with another run."""
    parser.add_argument(
        "--wait",
        metavar="TIME",
        type=value_of(parse_duration),
        default=30.0,
        help="how long to wait until another run on this host ends (default 30s)",
    )


def add_state(parser: argparse._ActionsContainer) -> None:
    """Where the ledger is."""
    parser.add_argument(
        "--state",
        metavar="DIR",
        type=path,
        help="where holystone stores its data between runs (or HOLYSTONE_STATE)",
    )


def add_output(parser: argparse.ArgumentParser) -> None:
    """How the answer is shown."""
    group = parser.add_argument_group("output")
    group.add_argument("--json", action="store_true", help="one JSON object instead of text")
    group.add_argument(
        "--color", choices=("auto", "always", "never"), default="auto", help="default: auto"
    )
    group.add_argument(
        "-v",
        "--verbose",
        action="store_true",
        help="more detail: each removed object, tracebacks of errors",
    )


_BYTES = 100_000
"""From this number on, a size without a unit means bytes: so many gigabytes make no sense."""


def _size(text: str) -> int:
    """A size with its unit. Raises ValueError."""
    size = parse_size(text)
    if size and text.strip()[-1].isdigit():
        unit = "B" if size >= _BYTES else "GB"
        raise ValueError(f"{text!r} has no unit; write it like {text.strip()}{unit}")
    return size


def _free(text: str) -> int:
    """How much is to be free. A share is for --until-used. Raises ValueError."""
    percent = _percent(text)
    if percent is None:
        return _size(text)
    if not 0 <= percent <= 100:
        raise ValueError(f"{text!r} is not a size; write it like 40GB")
    raise ValueError(
        f"{text!r} is a share of the disk, and --until-free takes a size like 40GB. For "
        f"{percent:g}% free type --until-used {100 - percent:g}%"
    )


def _share(text: str) -> float:
    """How much may be used. A size is for --until-free. Raises ValueError."""
    percent = _percent(text)
    if percent is not None and 0 <= percent <= 100:
        return percent / 100
    plain = text.strip()
    try:
        size = parse_size(plain)
    except ValueError:
        size = 0
    if size and plain[-1].isalpha():
        raise ValueError(
            f"{text!r} is a size, and --until-used takes a share of the disk like 70%. To have "
            f"that much free type --until-free {plain.replace(' ', '')}"
        )
    like = f"{float(plain):g}%" if plain.isdigit() and int(plain) <= 100 else "70%"
    raise ValueError(f"{text!r} is not a share of the disk; write it like {like}")


def _percent(text: str) -> float | None:
    """The number before a percent sign; None where this is none."""
    plain = text.strip().lower()
    for ending in ("%", "percent"):
        if plain.endswith(ending):
            try:
                return float(plain.removesuffix(ending))
            except ValueError:
                return None
    return None


def add_config(group: argparse._ArgumentGroup) -> None:
    """Which configuration file."""
    group.add_argument(
        "--config",
        metavar="FILE",
        type=path,
        help="read only this holystone.toml (or HOLYSTONE_CONFIG); by default the user's file "
        "and the system's are merged, and ./holystone.toml can only protect more",
    )


def add_limits(group: argparse._ArgumentGroup) -> None:
    """How old what goes must be, and how much build cache stays."""
    group.add_argument(
        "--min-age",
        metavar="TIME",
        type=value_of(_age),
        help="minimum age of an object before it is removed (default: 1m for images that lost "
        "their tag, 1h for images that never had one and for tagged images, 10m for the "
        "rest). Do not pass 0s while jobs run: a running classic build can lose its "
        "stages. Containers that were never started always wait one day",
    )
    group.add_argument(
        "--cache-budget",
        metavar="SIZE",
        type=value_of(_size),
        help="how much build cache to keep (default: a tenth of the disk)",
    )


def add_registry(group: argparse._ArgumentGroup) -> None:
    """Whether registries are asked."""
    group.add_argument(
        "--check-registry",
        action="store_true",
        default=None,
        help="before removing a tagged image, ask its registry whether it still has it (default)",
    )
    group.add_argument(
        "--no-check-registry",
        action="store_false",
        dest="check_registry",
        help="do not ask registries: a digest of the image is enough",
    )


def add_policy(parser: argparse.ArgumentParser, *, level: bool) -> None:
    """What may go."""
    if level:
        parser.add_argument(
            "level",
            nargs="?",
            choices=LEVELS,
            default="routine",
            metavar="LEVEL",
            help="routine (default): stopped containers, untagged images, build cache above "
            "its budget; every tagged image stays. weekly: also unused networks, unused "
            "anonymous volumes, and tagged images not used for 30 days. deep: everything "
            "unused",
        )
    group = parser.add_argument_group("policy")
    add_config(group)
    add_limits(group)
    if not level:
        group.add_argument(
            "--level",
            choices=LEVELS,
            default="routine",
            help="show the verdicts of a clean at this level (default: routine)",
        )
        return
    group.add_argument(
        "--only",
        metavar="WORD",
        action="append",
        type=value_of(_word),
        help="remove only objects of this kind (image, container, volume, network, cache) or with "
        "this name: a tag, a repository, a pattern like 'team/*', the end of a name, a digest, or "
        "the start of an ID; everything else stays. May be given several times",
    )
    group.add_argument(
        "--until-free",
        metavar="SIZE",
        type=value_of(_free),
        help="go beyond the level: remove images and build cache, least valuable first, until "
        "this much of the disk is free",
    )
    group.add_argument(
        "--until-used",
        metavar="PERCENT",
        type=value_of(_share),
        help="the same, until at most this share of the disk is used, like 70%%",
    )
    group.add_argument(
        "--watermarks",
        action="store_true",
        help="the same, if the disk is above its high watermark, until it is below the low "
        "watermark",
    )
    add_registry(group)
    group.add_argument(
        "--include-local",
        action="store_true",
        help="deep: also remove images that no registry has",
    )
    group.add_argument(
        "--volumes",
        nargs="?",
        const="anonymous",
        choices=("anonymous", "named"),
        help="deep: also remove unused anonymous volumes; with =named all unused volumes",
    )


def policy_of(options: argparse.Namespace) -> Policy:
    """The policy these options ask for. Raises Failure, RequestError."""
    found = configuration(options)
    if found.docker.problem:
        warn(f"{found.docker.path}: {found.docker.problem}, so its pruneFilters protect nothing")
    return wishes_of(options).policy(found)


def wishes_of(options: argparse.Namespace) -> Wishes:
    """What these options ask for beyond the configuration."""
    given = vars(options)
    wished = {each.name: given[each.name] for each in fields(Wishes) if each.name in given}
    if wished.get("only") is not None:
        wished["only"] = tuple(wished["only"])
    return Wishes(**wished)


def configuration(
    options: argparse.Namespace, *, quiet: bool = False, here: bool = True
) -> Configuration:
    """What ``holystone.toml`` says, kept in ``options`` as well.

    Unless ``quiet``, values without effect in the file of the current folder are shown; without
    ``here`` that file is passed over. Raises Failure with everything that is wrong with any file.
    """
    try:
        found = options.configuration = load(options.config, os.environ, here=here)
    except ConfigError as error:
        raise refused(error) from None
    if found.without_effect and not quiet:
        warn(_without_effect(found.without_effect))
    return found


def refused(error: ConfigError, code: int = exit_codes.ERROR) -> Failure:
    """How a command ends where the configuration is wrong."""
    told = str(error).split("\n")
    # What is in a file may come from anybody; the indentation is ours.
    lines = [f"  {safe(line.strip())}" if line[:1] == " " else safe(line) for line in told]
    return Failure("\n".join(lines), code)


def files_read(options: argparse.Namespace) -> str:
    """One line that names every configuration file that was read; empty where none was."""
    read = options.configuration.sources
    told = [f"{safe(each.path)}{_SAYS.get(each.says, f' ({each.says})')}" for each in read]
    return f"Configuration: {', '.join(told)}" if told else ""


def _without_effect(faults: Sequence[Fault]) -> str:
    """The values without effect in the file of the current folder, and the fix."""
    lines = [f"a file found in the current folder can only protect more; {MEND_HERE}:"]
    lines += [f"  {safe(str(fault))}" for fault in faults[:_SHOWN]]
    if len(faults) > _SHOWN:
        lines.append(f"  and {len(faults) - _SHOWN} more (holystone config check lists them)")
    return "\n".join(lines)
