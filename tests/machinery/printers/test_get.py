"""`kapp get` on a registry, where kubectl is not the measure."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kapp.errors import UsageError
from kapp.machinery.objects import ObjectKey
from kapp.machinery.options import DeleteOptions, WriteOptions
from kapp.machinery.printers import parse_get, run_get, watch_get
from kapp.machinery.printers.tabwriter import TabWriter
from kapp.machinery.registry import Registry


@pytest.mark.parametrize(
    "args",
    [
        ("gd", "-o", "yaml"),
        ("gd", "-oyaml"),
        ("gd", "-o=yaml"),
        ("gd", "--output", "yaml"),
        ("gd", "--output=yaml"),
        ("-o", "yaml", "gd"),
        ("-oyaml", "--", "gd"),
        ("gd", "-o", "name", "-oyaml"),
    ],
)
def test_every_spelling_of_an_option(args: tuple[str, ...]) -> None:
    options = parse_get(args)
    assert options.words == ("gd",)
    assert options.output == "yaml"


def test_shorthands_combine() -> None:
    options = parse_get(["gd", "-wAoname", "-Lx,y", "-L", "z"])
    assert options.watch
    assert options.all_namespaces
    assert options.output == "name"
    assert options.label_columns == ("x", "y", "z")


def test_nothing_to_get_is_wrong_usage() -> None:
    with pytest.raises(UsageError, match="Required resource not specified") as caught:
        parse_get(["-o", "yaml"])
    assert caught.value.hint


def test_a_path_without_braces_is_a_path(registry: Registry) -> None:
    assert run_get(registry, ["gd", "web", "-o", "jsonpath=.kind"]).stdout == "Gadget"


def test_an_unknown_kind_comes_with_its_neighbours(registry: Registry) -> None:
    result = run_get(registry, ["gadgts"])
    assert result.exit_code == 1
    assert result.stderr == (
        'error: the server doesn\'t have a resource type "gadgts"\n'
        "hint: did you mean gadgets or gadget?\n"
    )
    assert "there are: gadgets, notes, widgets" in run_get(registry, ["zzz"]).stderr


def test_a_missing_object(registry: Registry) -> None:
    assert run_get(registry, ["gd", "x"]) == (
        "",
        'Error from server (NotFound): gadgets.kapp.dev "x" not found\n',
        1,
    )


def test_sorting_by_what_nothing_has_is_an_error(registry: Registry) -> None:
    # kubectl says that there are no resources.
    result = run_get(registry, ["gd", "--sort-by=.nope"])
    assert 'couldn\'t find any field with path "{.nope}"' in result.stderr
    assert result.exit_code == 1


def test_sorting_by_what_has_no_order_is_an_error(registry: Registry) -> None:
    gadget = registry.scheme.by_name("gd")
    assert gadget is not None
    registry.patch(gadget, ObjectKey("", "web"), {"flag": False}, "merge", WriteOptions())
    assert "unsortable type: bool" in run_get(registry, ["gd", "--sort-by=.flag"]).stderr


def test_several_kinds_are_sorted_each(registry: Registry) -> None:
    result = run_get(registry, ["note,gd", "--sort-by=.metadata.name", "-o", "name"])
    names = [line.partition("/")[2] for line in result.stdout.splitlines()]
    assert names == ["a-much-longer-name", "k8s:x", "n1", "n2", "web"]


def test_a_watch_that_cannot_begin_has_ended(registry: Registry) -> None:
    watching = watch_get(registry, ["gd", "nope", "-w"])
    assert watching.ended
    assert watching.take() == (
        "",
        'Error from server (NotFound): gadgets.kapp.dev "nope" not found\n',
        1,
    )
    quiet = watch_get(registry, ["gd", "nope", "-w", "--ignore-not-found"])
    assert (quiet.ended, quiet.take()) == (True, ("", "", 0))


def test_a_watch_wakes_its_caller_and_ends(registry: Registry) -> None:
    watching = watch_get(registry, ["gd", "--watch-only", "-o", "name"])
    woken: list[None] = []
    watching.on_wake(lambda: woken.append(None))
    assert watching.take().stdout == ""
    gadget = registry.scheme.by_name("gd")
    assert gadget is not None
    registry.delete(gadget, ObjectKey("", "web"), DeleteOptions())
    assert woken
    assert watching.take().stdout == "gadget.kapp.dev/web\n"
    assert not watching.ended
    watching.close()
    assert watching.ended
    assert watching.take() == ("", "", 0)


def test_a_watch_ends_when_an_object_does_not_fit_the_template(registry: Registry) -> None:
    watching = watch_get(registry, ["gd", "web", "-w", "-o", "jsonpath={.rows[1].n}"])
    assert watching.take().stdout == "2"
    gadget = registry.scheme.by_name("gd")
    assert gadget is not None
    registry.patch(gadget, ObjectKey("", "web"), {"rows": [{"n": 3}]}, "merge", WriteOptions())
    result = watching.take()
    assert watching.ended
    assert result.exit_code == 1
    assert "array index out of bounds: index 1, length 1" in result.stderr


WORDS = st.sampled_from(
    "gd web gd/web note all -o yaml name -w -A -l app=web --sort-by .size "
    "-o=jsonpath={.a -- - --no-headers , gd, / -L".split()
)


@settings(
    max_examples=60,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(args=st.lists(WORDS | st.text(max_size=5), max_size=5))
def test_any_words_give_an_answer(registry: Registry, args: list[str]) -> None:
    def no_files(path: str) -> str:
        raise FileNotFoundError(path)

    result = run_get(registry, args, read_file=no_files)
    assert result.exit_code in (0, 1, 2)
    assert result.exit_code == 0 or result.stderr.endswith("\n")
    watching = watch_get(registry, args, read_file=no_files)
    watching.take()
    watching.close()


@settings(max_examples=50)
@given(
    rows=st.lists(
        st.tuples(*[st.text(st.characters(exclude_characters="\t\v\n\f"), max_size=9)] * 3),
        min_size=1,
        max_size=6,
    )
)
def test_columns_start_at_the_same_place(rows: list[tuple[str, str, str]]) -> None:
    writer = TabWriter()
    for row in rows:
        writer.write("\t".join(row) + "\n")
    lines = writer.flush().split("\n")[:-1]
    starts = [max(6, 3 + max(len(row[i]) for row in rows)) for i in range(2)]
    for row, line in zip(rows, lines, strict=True):
        first, second = starts[0], starts[0] + starts[1]
        assert (line[:first].rstrip(" "), line[second:]) == (row[0].rstrip(" "), row[2])
        assert line[first:second].rstrip(" ") == row[1].rstrip(" ")
