"""The images that shell scripts ask docker for: ``docker pull``, ``run``, ``build``, ``compose``.

A script is read, not run. Plain assignments, loops over literal words, ``cd`` and scripts of the
same repository are followed; values that only a run can know are left out.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Sequence

from holystone.scan.compose import Composes
from holystone.scan.docker_command import PROGRAMS, asked
from holystone.scan.files import is_below, read_text
from holystone.scan.findings import ELSEWHERE, VARIABLE, Learned, Place, Unreadable
from holystone.scan.script_docker import DockerNotes
from holystone.scan.shell import Command, commands, unquoted
from holystone.scan.shell_scope import ASSIGNED, Scope
from holystone.scan.variables import Lookup, NoValue

MOST_COMMANDS = 100_000
"""Of one pipeline, each as often as it is read with other variables."""
_DEEPEST = 8
_DEEPEST_SUBSHELL = 50
_SHELLS = frozenset(("sh", "bash", "dash", "ash", "zsh", "ksh"))
_OPENING = frozenset(("if", "while", "until", "case", "for", "select"))
_CLOSING = frozenset(("fi", "done", "esac"))
_RESERVED = _OPENING | _CLOSING | {"then", "else", "elif", "do", "!", "{", "}", "in", "function"}
_DECLARING = frozenset(("export", "local", "declare", "readonly", "typeset"))
_WRAPPERS = {
    "sudo": "-u -g -h -p -C -U -r -t", "doas": "-u -C", "env": "-u -C -S", "nohup": "", "time": "",
    "command": "", "exec": "-a", "nice": "-n", "ionice": "-c -n", "stdbuf": "-i -o -e",
    "timeout": "-k -s", "retry": "-t -d", "busybox": "", "winpty": "",
}  # fmt: skip
"""Programs that run the command behind them, with their options that take a value."""
_SCRIPT = re.compile(r"#!.*\b(ba|da|a|z|k)?sh\b")


Part = tuple[str, Place]
"""A part of a script: the text of one entry of a list, and where its first line stands."""


class Scripts(DockerNotes):
    """Reads the scripts of a repository."""

    def __init__(self, learned: Learned, composes: Composes, root: str) -> None:
        super().__init__(learned, composes, root)
        self.left = MOST_COMMANDS
        self._spent = [0]
        self._reading: list[str] = []
        """Real paths of the script files that are being read."""

    def read(self, parts: Iterable[Part], lookup: Lookup) -> None:
        """Learn of a script. ``lookup`` has the variables that it begins with."""
        scope = Scope(self.root, lookup, self._spent)
        for text, place in parts:
            _Reader(self, place.file).read(text, place.line, scope)

    def count(self, place: Place) -> bool:
        """Count one more command; False if there were too many, which is noted once."""
        self.left -= 1
        if self.left == -1:
            self.learned.trouble(place, "scripts are not read from here on: they are too long")
        return self.left >= 0

    def called(self, words: Sequence[str], scope: Scope, *, certain: bool) -> None:
        """Read a script of this repository; ``certain``: also if it does not look like one."""
        try:
            paths = [path for word in words[:1] for path in scope.path(word)]
        except NoValue:
            return
        for path in paths:
            key = os.path.realpath(path)
            if key in self._reading or len(self._reading) >= _DEEPEST:
                continue
            if not is_below(path, self.root) or not os.path.isfile(path):
                continue
            try:
                text = read_text(path, self.learned.roots)
            except Unreadable:
                continue  # A program, most likely.
            if certain or path.endswith((".sh", ".bash")) or _SCRIPT.match(text):
                self._reading.append(key)
                _Reader(self, os.path.normpath(path)).read(text, 1, scope)
                self._reading.pop()


class _Reader:
    """Reads the commands of one text."""

    def __init__(self, scripts: Scripts, file: str) -> None:
        self.scripts = scripts
        self.file = file
        self.branches = 0
        """How many ``if`` and loops are open: what is set there may be set or not."""
        self.depth = 0
        """How deep in texts of ``eval`` and ``sh -c``."""

    def read(self, text: str, line: int, scope: Scope) -> None:
        if self.depth == _DEEPEST:
            return
        self.depth += 1
        scopes = [scope]
        for command in commands(text, line):
            if not self.scripts.count(Place(self.file, command.line)):
                break
            if command.words == ("(",):
                deep = len(scopes) > _DEEPEST_SUBSHELL
                scopes.append(scopes[-1] if deep else scopes[-1].copy())
            elif command.words != (")",):
                self._command(command, scopes[-1])
            elif len(scopes) > 1:
                scopes.pop()
        self.depth -= 1

    def _command(self, command: Command, scope: Scope) -> None:
        place = Place(self.file, command.line)
        words, assigned = self._bare(command.words, scope)
        name, arguments = (unquoted(words[0]), words[1:]) if words else ("", [])
        base = name.rpartition("/")[2]
        if not words or base in _DECLARING:
            for word in arguments if words else assigned:
                scope.assign(word, certain=not self.branches)
        elif base in ("cd", "pushd"):
            scope.folder = _folder(arguments, scope)
        elif (found := asked([name, *scope.options_filled_in(arguments)])) is not None:
            self.scripts.note(found, command, place, scope)
        elif base == "eval":
            self.read(" ".join(map(unquoted, arguments)), command.line, scope)
        elif base in ("source", "."):
            self.scripts.called(arguments, scope, certain=True)
        elif base in _SHELLS:
            self._shell(arguments, command, scope.copy())
        elif base == "ssh":
            self._elsewhere(arguments, place)
        elif base == "xargs":
            self._given_by_input(arguments, place)
        elif "/" in words[0]:
            self.scripts.called(words, scope.copy(), certain=False)

    def _bare(self, words: Sequence[str], scope: Scope) -> tuple[list[str], list[str]]:
        """The command behind reserved words and programs that run another; and assignments."""
        rest, assigned = list(words), []
        while rest:
            word = rest[0]
            if word in _OPENING:
                self.branches += 1
                if word in ("for", "select"):
                    scope.loop(rest)
                if word in ("for", "select", "case"):
                    return [], []
            elif word in _CLOSING:
                self.branches -= self.branches > 0
            if word in _RESERVED:
                del rest[0]
            elif ASSIGNED.match(word):
                assigned.append(rest.pop(0))
            elif (base := word.rpartition("/")[2]) in _WRAPPERS:
                del rest[0]
                while rest and rest[0].startswith("-"):
                    del rest[: 2 if rest[0] in _WRAPPERS[base].split() else 1]
                if base == "timeout":
                    del rest[:1]
            else:
                break
        return rest, assigned

    def _shell(self, arguments: Sequence[str], command: Command, scope: Scope) -> None:
        """``sh -c TEXT``, ``sh FILE`` and ``sh <<EOF``."""
        rest = list(arguments)
        while rest and rest[0][:1] in "-+" and rest[0] != "-":
            option = rest.pop(0)
            if not option.startswith("--") and "c" in option and rest:
                self.read(unquoted(rest[0]), command.line, scope)
                return
            if option in ("-o", "+o"):
                del rest[:1]
        if rest:
            self.scripts.called(rest, scope, certain=True)
        elif command.heredoc:
            self.read(command.heredoc, command.heredoc_line, scope)

    def _elsewhere(self, arguments: Sequence[str], place: Place) -> None:
        """A command for another machine: its images are none of this host's."""
        for command in commands(" ".join(map(unquoted, arguments))):
            words = list(command.words)
            at = next((i for i, word in enumerate(words) if word in PROGRAMS), len(words))
            found = asked(words[at:])
            for image in found.images if found else ():
                self.scripts.leave(image, place, ELSEWHERE, "on another machine, by ssh")

    def _given_by_input(self, arguments: Sequence[str], place: Place) -> None:
        at = next((at for at, word in enumerate(arguments) if word in PROGRAMS), len(arguments))
        found = asked([*arguments[at:], "$(…)"])
        if found is not None and any("$(" in image for image in found.images):
            written = " ".join(map(unquoted, arguments[at:]))
            self.scripts.leave(written, place, VARIABLE, "xargs gives it its images")


def _folder(arguments: Sequence[str], scope: Scope) -> str | None:
    """The folder that ``cd`` leads to; None where only a run can tell."""
    words = [word for word in arguments if not word.startswith("-") or word == "-"]
    try:
        paths = list(scope.path(words[0])) if words and words[0] != "-" else []
    except NoValue:
        return None
    return paths[0] if len(paths) == 1 else None
