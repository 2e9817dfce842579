"""Patterns added to a file: where they go, and that the rest stays as it is."""

from __future__ import annotations

import pytest

from holystone.config.edit import CannotAdd, add, block
from holystone.config.reading import read_all
from holystone.config.sample import sample

NEW = ["python:3.12-slim", "node:18"]
LISTED = 'images = [\n  "python:3.12-slim",\n  "node:18",\n]\n'


CHANGES = {
    "comments alone": """
 # Ours.
+
+[protect]
+images = [
+  "python:3.12-slim",
+  "node:18",
+]
""",
    "other tables": """
 [disk]
 high = "80%"
+
+[protect]
+images = [
+  "python:3.12-slim",
+  "node:18",
+]
""",
    "the table without the key": """
 [protect] # x
+images = [
+  "python:3.12-slim",
+  "node:18",
+]
 local = true
""",
    "the key in a comment": """
 [protect]
 #images = []
+images = [
+  "python:3.12-slim",
+  "node:18",
+]

 local = true
""",
    "an empty list": """
 [protect]
-images = [ ]  # x
+images = [
+  "python:3.12-slim",
+  "node:18",
+]  # x
""",
    "a list on one line": """
-protect.images = ["a"] # x
+protect.images = ["a", "python:3.12-slim", "node:18"] # x
 [disk]
""",
    "a dotted key": """
 protect.local = true # x
+protect.images = [
+  "python:3.12-slim",
+  "node:18",
+]

 [disk]
""",
    "a list with comments, quoted keys": """
 ["protect"]
 "images" = [
     "a", # x
     # "b",
-    'c' # ]
+    'c', # ]
     # y
+    "python:3.12-slim",
+    "node:18",
     ]
 local = true
""",
    "a list that ends behind its last element": """
 [protect]
 images = ["a",
-          "b"]
+          "b",
+          "python:3.12-slim",
+          "node:18",
+]
""",
    "a list that gets too long for its line": """
 [protect]
-images = ['a', "registry.example.com/team/application", "registry.example.com/team/worker",] # x
+images = [
+  'a',
+  "registry.example.com/team/application",
+  "registry.example.com/team/worker",
+  "python:3.12-slim",
+  "node:18",
+] # x
""",
    "what looks like it and is not": """
 [[images.rules]]
 name = '''
 [protect]
 images = [
 '''
 [protect]
-images = ["]", '#']
+images = ["]", '#', "python:3.12-slim", "node:18"]
 labels = ["images = ["]
""",
}
"""Lines that stay, with a blank before them, lines that go and lines that come."""


@pytest.mark.parametrize("name", CHANGES)
def test_where_they_go(name: str) -> None:
    lines = CHANGES[name].splitlines()[1:]
    before = "".join(f"{line[1:]}\n" for line in lines if line[:1] != "+")
    after = "".join(f"{line[1:]}\n" for line in lines if line[:1] != "-")
    assert add(before, NEW) == after


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("", f"[protect]\n{LISTED}"),
        ("[protect]", f"[protect]\n{LISTED}"),
        ("a = 1", f"a = 1\n\n[protect]\n{LISTED}"),
        ("protect.local = true", f"protect.local = true\nprotect.{LISTED}"),
        ('[protect]\nimages = ["a"]', '[protect]\nimages = ["a", "python:3.12-slim", "node:18"]'),
    ],
)
def test_a_last_line_without_an_end(before: str, after: str) -> None:
    assert add(before, NEW) == after


def test_ends_of_lines_stay() -> None:
    added = '  "python:3.12-slim",\r\n  "node:18",\r\n'
    before, end = '\ufeff[protect]\r\nimages = [\r\n  "a",\r\n', "]\r\n"
    assert add(before + end, NEW) == before + added + end


def test_to_the_sample() -> None:
    """Behind the line that shows how it is written; every other line as it was."""
    made = add(sample(), NEW)
    start = made.index(LISTED)
    assert made[:start] + made[start + len(LISTED) :] == sample()
    assert made[:start].endswith("\n#images = []\n")
    settings = read_all([("holystone.toml", made.encode())])
    assert settings.values["protect.images"].value == tuple(NEW)


@pytest.mark.parametrize(
    "before",
    [
        'protect = {images = ["a"]}\n',
        "protect = {local = true}\n",
        '[protect]\nimages = ["a"]\r\n[disk]\n',
    ],
)
def test_what_is_not_changed(before: str) -> None:
    with pytest.raises(CannotAdd):
        add(before, NEW)


def test_a_huge_file_is_not_changed() -> None:
    """The library that edits TOML takes minutes for a megabyte."""
    with pytest.raises(CannotAdd, match="files of more than 100 kB"):
        add("[protect]\nlocal = true\n" + "#\n" * 50_000, NEW)


def test_block() -> None:
    assert block(NEW) == f"[protect]\n{LISTED}"
    assert block([]) == "[protect]\nimages = [\n]\n"
