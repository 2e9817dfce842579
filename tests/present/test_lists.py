"""Filters, orders and templates of lists."""

from __future__ import annotations

import json
from importlib import import_module
from typing import Any, NamedTuple

import pytest

from holystone.present.lists import filters as by
from holystone.present.lists.table import Field, Filter, Table
from holystone.present.lists.template import Template

LISTS = ("images", "volumes", "containers", "cache", "plan", "runs", "uses", "leases")


class Row(NamedTuple):
    name: str
    size: int | None = 0
    labels: dict[str, str] = {}  # noqa: RUF012 - never changed
    age: float | None = 0.0


TABLE: Table[Row] = Table(
    (
        Field("Name", "its name", lambda row: row.name),
        Field("Size", "its size", lambda row: row.size),
        Field("Labels", "its labels", lambda row: row.labels),
        Field("Names", "some names", lambda row: [row.name, "x"]),
    ),
    {"name": lambda row: row.name, "size": lambda row: row.size},
    (
        Filter("name", "", by.text(lambda row: (row.name,))),
        Filter("part", "", by.part(lambda row: (row.name,))),
        Filter("reference", "", by.reference(lambda row: (row.name,))),
        Filter("size", "", by.size(lambda row: row.size)),
        Filter("count", "", by.number(lambda row: row.size)),
        Filter("age", "", by.age(lambda row: row.age)),
        Filter("until", "", by.least_age(lambda row: row.age)),
        Filter("label", "", by.label(lambda row: row.labels), all_of=True),
        Filter("big", "", by.flag(lambda row: (row.size or 0) > 10)),
        Filter("id", "", by.start(lambda row: f"sha256:{row.name}")),
        Filter("kind", "", by.choice(lambda row: row.name[0], ("a", "b", "c"))),
    ),
)
ROWS = (
    Row("a", 10**9, {"ci": "1", "team": "x"}, 10.0),
    Row("b", 2 * 10**9, {"ci": "2"}, 7200.0),
    Row("c:1", None, {}, None),
    Row("reg.io/b/c:2", 0, {"team": "x"}, 90_000.0),
)


def left(*filters: str) -> list[int]:
    test = TABLE.tests([TABLE.read_filter(text) for text in filters])
    return [ROWS.index(row) for row in ROWS if test(row)]


@pytest.mark.parametrize(
    ("filters", "found"),
    [
        ((), [0, 1, 2, 3]),
        (("name=a",), [0]),
        (("name=A",), [0]),
        (("name=a", "name=b"), [0, 1]),
        (("name!=a", "name!=b"), [2, 3]),
        (("name=*:?",), [2, 3]),
        (("part=b",), [1, 3]),
        (("reference=c",), [2, 3]),
        (("reference=b/*",), [3]),
        (("reference!=c",), [0, 1]),
        (("size>1GB",), [1]),
        (("size >= 1 GB",), [0, 1]),
        (("size<1GB",), [3]),
        (("size<=1000MB",), [0, 3]),
        (("size=0",), [3]),
        (("size>0", "size<2GB"), [0]),
        (("count>5",), [0, 1]),
        (("age>1h",), [1, 3]),
        (("until=2 hours",), [1, 3]),
        (("label=ci",), [0, 1]),
        (("label=ci=1",), [0]),
        (("label=ci", "label=team=x"), [0]),
        (("label!=team",), [1, 2]),
        (("label=t*=x",), [0, 3]),
        (("big=true",), [0, 1]),
        (("big!=true",), [2, 3]),
        (("big=no",), [2, 3]),
        (("id=sha256:re",), [3]),
        (("kind=b",), [1]),
        (("kind=b", "size>1GB"), [1]),
        (("kind=b", "big=false"), []),
    ],
)
def test_filters(filters: tuple[str, ...], found: list[int]) -> None:
    assert left(*filters) == found


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("nmae=a", "there is no filter 'nmae' (did you mean name?); there are name, part,"),
        ("zz=a", "there is no filter 'zz'; there are name, part, reference, size,"),
        ("name", "'name' has no value; write it like 'name=...', in quotes"),
        ("size>", "'size>' has no value"),
        ("a", "'a' is not a filter; write it like name=..."),
        ("", "'' is not a filter"),
        ("name>a", "> makes no sense here; write = or !="),
        ("until>1h", "> makes no sense here; write ="),
        ("size>big", "'big' is not a size"),
        ("age>big", "'big' is not a duration"),
        ("count=big", "'big' is not a number"),
        ("big=perhaps", "'perhaps': write true or false"),
        ("kind=z", "there is no 'z'; there are a, b, c"),
    ],
)
def test_filters_that_are_none(text: str, said: str) -> None:
    with pytest.raises(ValueError, match=r".") as caught:
        left(text)
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("by", "turned", "order"),
    [
        ("name", False, [0, 1, 2, 3]),
        ("-name", False, [3, 2, 1, 0]),
        ("name", True, [3, 2, 1, 0]),
        ("-name", True, [0, 1, 2, 3]),
        ("size", False, [3, 0, 1, 2]),
        ("-size", False, [1, 0, 3, 2]),
        ("Size , -name", False, [3, 0, 1, 2]),
        ("", True, [3, 2, 1, 0]),
    ],
)
def test_orders(by: str, order: list[int], *, turned: bool) -> None:
    """What is not known comes last in any direction."""
    read = TABLE.read_order(by) if by else []
    assert [ROWS.index(row) for row in TABLE.ordered(ROWS, read, turned=turned)] == order


@pytest.mark.parametrize("text", ["siez", "", "size,", "-"])
def test_orders_that_are_none(text: str) -> None:
    with pytest.raises(ValueError, match=r"nothing can be sorted by .*; there are name, size"):
        TABLE.read_order(text)


def written(template: str, *rows: Row) -> list[str]:
    return Template(template, TABLE).lines(rows or ROWS[:1])


@pytest.mark.parametrize(
    ("template", "line"),
    [
        ("{{.Name}}", "a"),
        ("{{ .Name }}", "a"),
        ("{{.Name}}:{{.Size}}!", "a:1000000000!"),
        (r"{{.Name}}\t{{.Size}}", "a\t1000000000"),
        (r"{{.Name}}\n{{.Size}}", "a\n1000000000"),
        ("x {{- .Name -}} y", "xay"),
        ("{{.Labels}}", "ci=1,team=x"),
        ("{{.Names}}", "a, x"),
        ('{{join .Names "+"}}', "a+x"),
        ("{{upper .Name}}{{lower .Name}}", "Aa"),
        ("{{.Name | upper}}", "A"),
        ("{{.Name | upper | lower}}", "a"),
        ("{{truncate .Size 3}}", "100"),
        ("{{len .Names}}", "2"),
        ('{{.Label "ci"}}', "1"),
        ('{{.Label "no"}}', ""),
        ('{{"{"}}{{.Name}}{{`}`}}', "{a}"),
        ("{{json .Labels}}", '{"ci":"1","team":"x"}'),
        ("{{json .Size}}", "1000000000"),
        ("no field", "no field"),
    ],
)
def test_templates(template: str, line: str) -> None:
    assert written(template) == [line]


@pytest.mark.parametrize("template", ["json", "{{json .}}", "{{. | json}}"])
def test_a_row_as_json(template: str) -> None:
    (line,) = written(template)
    assert json.loads(line) == {
        "Name": "a", "Size": 10**9, "Labels": {"ci": "1", "team": "x"}, "Names": ["a", "x"],
    }  # fmt: skip


def test_a_table_has_a_heading_and_its_cells_stand_below_one_another() -> None:
    assert written(r"table {{.Name}}\t{{.Size}}", ROWS[0], Row("longer", 1)) == [
        "NAME     SIZE",
        "a        1000000000",
        "longer   1",
    ]
    assert written(r"table {{upper .Name}}", Row("a")) == ["NAME", "A"]
    assert Template("table", TABLE).is_table


@pytest.mark.parametrize(
    ("template", "said"),
    [
        ("{{.Nam}}", "there is no field .Nam (did you mean .Name?); there are Name, Size"),
        ("{{.name}}", "did you mean .Name?"),
        ("{{.Xyzzy}}", "there is no field .Xyzzy; there are Name, Size, Labels, Names"),
        ("{{Name}}", "write a field with a point: {{.Name}}"),
        ("{{.Name", "the template has a {{ without a }}"),
        ("Name}}", "the template has a }} without a {{"),
        ("{{}}", "{{}} is empty"),
        ("{{.Name | }}", "is empty"),
        ("{{if .Name}}x{{end}}", "{{if}} is not understood"),
        ("{{range .Names}}", "{{range}} is not understood"),
        ("{{shout .Name}}", "there is no function 'shout' in a template; there are json, upper"),
        ("{{json}}", "json takes 1"),
        ("{{.Name .Size}}", "put a | or a function between the fields"),
        ("{{upper name}}", "'name' is neither a field"),
    ],
)
def test_templates_that_are_none(template: str, said: str) -> None:
    with pytest.raises(ValueError, match=r".") as caught:
        Template(template, TABLE)
    assert said in str(caught.value)


def test_nothing_from_outside_commands_a_terminal_or_a_log() -> None:
    evil = Row("::add-mask::x\x1b[2J\n##[error]", labels={"a\nb": "\x1b]0;x\x07"})
    for template in (
        "{{.Name}}", " {{.Name}}", "{{json .}}", "{{.Labels}}", "{{.Names}}", "{{upper .Name}}",
        '{{join .Names "\\n"}}', r"table {{.Name}}\t{{.Labels}}", '{{.Label "a\\nb"}}',
    ):  # fmt: skip
        text = "\n".join(written(template, evil))
        assert "\x1b" not in text
        assert not any(line.lstrip().startswith("::") for line in text.split("\n")), template
        assert "##[" not in text
    assert written(":{{.Name}}", Row(":x")) == [": :x"]
    assert json.loads(written("{{json .Name}}", evil)[0]) == evil.name


@pytest.mark.parametrize("name", LISTS)
def test_every_list_has_a_name_for_each_thing(name: str) -> None:
    table: Table[Any] = import_module(f"holystone.present.lists.{name}").TABLE
    for names in ([each.name for each in table.fields], [each.name for each in table.filters]):
        assert len(names) == len(set(names))
    assert all(each.told for each in table.fields)
    assert all(each.told for each in table.filters)
    assert all(each.name[0].isupper() and each.name.isalnum() for each in table.fields)
