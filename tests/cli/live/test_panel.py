"""The panel's text: what fits, what is shown first, what each state says."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from kapp.api.v1alpha1.meta import Condition, DisableStatus, ObjectMeta
from kapp.api.v1alpha1.uiresource import (
    UIBuildRunning,
    UIResource,
    UIResourceLink,
    UIResourceStatus,
    UIResourceWaiting,
    UIWaitingOnRef,
)
from kapp.cli.live.panel import Panel, Size, next_change_s, order_of, render
from kapp.cli.live.rows import Row, Urgency, row_of, rows_of

NOW = datetime(2026, 11, 23, 18, 30, 0, tzinfo=UTC)


def row(name, urgency=Urgency.CALM, state="ready", age_s=5, links=(), problem=""):
    return Row(name, urgency, state, NOW - timedelta(seconds=age_s), links, problem)


def lines(panel, columns=80, rows=24, **options):
    return render(panel, Size(columns, rows), NOW, colour=False, keys=True, **options)


def test_whole():
    rows = [
        row("example-go", links=("http://localhost:8000/",), age_s=12),
        row("worker", Urgency.ERROR, "error", 200, problem="container web crashes: exit code 1"),
    ]
    assert lines(Panel(rows, chosen="example-go")) == [
        "─" * 79,
        "  NAME        STATE     AGE     SERVES",
        "▸ example-go  ready     12s     http://localhost:8000/",
        "  worker      error     3m      container web crashes: exit code 1",
        "2 resources: 1 error, 1 ready            ↑↓ choose  t trigger  f filter  q quit",
    ]


def test_before_the_first_resource():
    assert lines(Panel([]))[-1].startswith("no resources yet ")


def test_a_filter_and_a_notice_are_said():
    panel = Panel([row("web")], filtered="web", notice="triggered web")
    assert lines(panel)[-1].startswith("logs of web only; triggered web")


def test_what_needs_eyes_comes_first_where_not_all_fit():
    rows = [row(f"calm-{i}") for i in range(200)] + [row("broken", Urgency.ERROR, "failed")]
    shown = lines(Panel(rows))
    assert shown[2].startswith("  broken")
    assert shown[-2] == "  … 193 more"
    assert len(shown) <= 12


def test_the_chosen_one_is_shown_wherever_it_stands():
    rows = [row(f"web-{i:03}") for i in range(200)]
    for name in ("web-000", "web-100", "web-199"):
        assert any(line.startswith(f"▸ {name}") for line in lines(Panel(rows, chosen=name)))


def test_arrow_keys_go_through_the_order_that_is_shown():
    rows = [row(f"calm-{i}") for i in range(20)] + [row("broken", Urgency.ERROR, "failed")]
    assert order_of(Panel(rows), Size(80, 24))[0] == "broken"
    assert order_of(Panel(rows), Size(80, 100))[-1] == "broken"


_NAMES = st.text(st.characters(exclude_categories=["C", "Z", "M"]), min_size=1, max_size=60)
_ROWS = st.builds(
    Row,
    _NAMES,
    st.sampled_from(Urgency),
    st.sampled_from(["ready", "error", "updating"]),
    st.none() | st.just(NOW),
    st.lists(st.just("http://localhost:8000/"), max_size=3).map(tuple),
    st.just("") | _NAMES,
)


@given(st.lists(_ROWS, max_size=30), st.integers(1, 200), st.integers(1, 60))
def test_no_line_is_wider_than_the_terminal_and_there_are_not_too_many(rows, columns, height):
    shown = lines(Panel(rows), columns, height)
    assert max(map(cell_len, shown)) <= max(columns - 1, 1)
    assert len(shown) <= max(height // 2, 7)


@given(st.lists(_ROWS, max_size=10), st.integers(20, 200))
def test_colour_changes_nothing_but_colour(rows, columns):
    import re

    panel = Panel(rows, chosen=rows[0].name if rows else "")
    plain = render(panel, Size(columns, 24), NOW, colour=False, keys=False)
    colour = render(panel, Size(columns, 24), NOW, colour=True, keys=False)
    assert [re.sub(r"\x1b\[[0-9]+m", "", line) for line in colour] == plain


def test_an_idle_panel_is_repainted_seldom():
    many = [row(f"web-{i}", age_s=100 + i / 7) for i in range(200)]
    assert next_change_s(many, NOW) == 60
    assert next_change_s([*many, row("new", age_s=3)], NOW) == 1
    assert next_change_s([], NOW) is None


def resource(**status):
    return UIResource(metadata=ObjectMeta(name="web"), status=UIResourceStatus(**status))


def failing(kind, message):
    return Condition(type=kind, status="False", reason="Because", message=message)


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        ({"disable_status": DisableStatus(disabled=True)}, (Urgency.OFF, "disabled", "")),
        ({"current_build": UIBuildRunning()}, (Urgency.BUSY, "updating", "")),
        (
            {"update_status": "error", "conditions": [failing("UpToDate", "no such\nimage")]},
            (Urgency.ERROR, "failed", "no such image"),
        ),
        (
            {
                "update_status": "pending",
                "waiting": UIResourceWaiting(
                    reason="waiting-for-dep", on=[UIWaitingOnRef(name="db")]
                ),
            },
            (Urgency.WAITING, "waiting", "waiting for another resource: db"),
        ),
        ({"update_status": "pending"}, (Urgency.BUSY, "pending", "")),
        (
            {
                "update_status": "ok",
                "runtime_status": "error",
                "conditions": [failing("Ready", "it crashes")],
            },
            (Urgency.ERROR, "error", "it crashes"),
        ),
        ({"update_status": "ok", "runtime_status": "pending"}, (Urgency.BUSY, "starting", "")),
        ({"update_status": "ok", "runtime_status": "ok"}, (Urgency.CALM, "ready", "")),
        (
            {"update_status": "ok", "runtime_status": "not_applicable"},
            (Urgency.CALM, "applied", ""),
        ),
    ],
)
def test_states(status, expected):
    found = row_of(resource(**status))
    assert (found.urgency, found.state, found.problem) == expected


def test_rows_are_in_the_order_of_the_kappfile():
    links = [UIResourceLink(url="http://localhost:1/")]
    first, second = resource(order=2), resource(order=1, endpoint_links=links)
    assert [one.links for one in rows_of([first, second])] == [("http://localhost:1/",), ()]
