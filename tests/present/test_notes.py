"""What an engine did not tell, in words: each problem, many objects, hostile names."""

from __future__ import annotations

from holystone.planner.inventory import Note
from holystone.present import notes
from holystone.present.terminal import Look

LOOK = Look(width=400)


def test_one_object_is_named_with_the_answer() -> None:
    note = Note("layers", "image", "sha256:1", "chart:1", "null")
    said = "the engine does not report the layers of image chart:1, so the bytes are bounded"
    assert notes.text(note) == f"{said} (it answers 'null')"
    assert notes.lines([note], LOOK) == [f"Note: {said} (it answers 'null')."]


def test_objects_of_one_problem_share_a_line() -> None:
    found = [Note("inspection", "image", f"sha256:{n}" + "0" * 60) for n in range(1000, 1007)]
    (line,) = notes.lines(found, LOOK)
    assert line == (
        "Note: the engine does not answer an inspection of images 100000000000, 100100000000, "
        "100200000000 and 4 more."
    )


def test_an_entry_without_a_name_is_counted() -> None:
    found = [Note("entry", "volume", said="KeyError: 'Name'")]
    (line,) = notes.lines(found, LOOK)
    assert line.startswith("Note: the engine's entry for 1 volume is invalid: left alone (it ")


def test_a_kind_without_sizes() -> None:
    note = Note("usage", "cache", said="500: broken")
    told = "the engine does not report the size of the build cache (it answers '500: broken')"
    assert notes.text(note) == told


def test_what_comes_from_outside_moves_no_cursor() -> None:
    note = Note("layers", "image", "sha256:1", "a\x1b[2J:1", "\x1b]0;x\x07##[error]")
    assert "\x1b" not in notes.text(note)
    assert "##[" not in notes.text(note)


def test_each_builder_is_told_with_its_own_reason() -> None:
    gone, dead = "it has no container", "BuildKit did not answer"
    said = {"ci0": dead, "gone0": gone, "ci1": dead}
    found = [Note("builder", "builder", name, name, why) for name, why in said.items()]
    assert notes.lines(found, LOOK) == [
        f"Note: builders ci0 and ci1 cannot be asked what they keep: {dead}.",
        f"Note: builder gone0 cannot be asked what it keeps: {gone}.",
    ]
