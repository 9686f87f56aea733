"""Selectors: kubectl's grammar, and matching as Kubernetes does it."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kapp.machinery.selectors import (
    EVERYTHING,
    Requirement,
    Selector,
    format_selector,
    from_label_selector,
    parse_field_selector,
    parse_label_selector,
)
from kapp.machinery.status import ApiError

LABELS = {"app": "web", "tier": "front", "weight": "10", "empty": ""}


@pytest.mark.parametrize(
    ("text", "matches"),
    [
        ("", True),
        ("  ", True),
        ("app=web", True),
        ("app==web", True),
        ("app = web , tier=front", True),
        ("app=web,tier=back", False),
        ("app!=web", False),
        ("other!=web", True),
        ("app", True),
        ("!app", False),
        ("!other", True),
        ("app in (web, api)", True),
        ("app in (api)", False),
        ("app notin (api,db)", True),
        ("other notin (api)", True),
        ("other in (api)", False),
        ("app in (web),!other,tier", True),
        ("weight>9", True),
        ("weight>10", False),
        ("weight<11", True),
        ("app>1", False),
        ("empty=", True),
        ("app=", False),
        ("empty in (,x)", True),
        ("example.com/app=web", False),
    ],
)
def test_label_selectors(text: str, matches: bool) -> None:
    assert parse_label_selector(text).matches(LABELS) == matches


@pytest.mark.parametrize(
    "text",
    [
        "=web",
        "app=(",
        "app in web",
        "app in (a",
        "app=web,",
        "a b",
        "app>x",
        "!",
        "app=-x",
        "-a=b",
        "a=b c",
        ",",
        "a in (b c)",
        "!app=web",
    ],
)
def test_bad_label_selectors(text: str) -> None:
    with pytest.raises(ApiError) as refused:
        parse_label_selector(text)
    assert refused.value.code == 400


def test_field_selectors() -> None:
    fields = {"metadata.name": "a", "metadata.namespace": "b", "spec.x": "1,2"}
    for text, matches in (
        ("metadata.name=a", True),
        ("metadata.name==a,metadata.namespace!=b", False),
        (r"spec.x=1\,2", True),
        ("spec.x!=", True),
        ("", True),
    ):
        assert parse_field_selector(text, ["spec.x"]).matches(fields) == matches, text
    with pytest.raises(ApiError, match=r"field label not supported: spec\.y"):
        parse_field_selector("spec.y=1", ["spec.x"])
    with pytest.raises(ApiError, match="invalid selector"):
        parse_field_selector("metadata.name", [])
    assert parse_field_selector("metadata.name=a", []).exact("metadata.name") == "a"
    assert parse_field_selector("metadata.name!=a", []).exact("metadata.name") is None


def test_label_selector_objects() -> None:
    selector = from_label_selector(
        {
            "matchLabels": {"app": "web"},
            "matchExpressions": [
                {"key": "tier", "operator": "In", "values": ["front", "back"]},
                {"key": "old", "operator": "DoesNotExist"},
            ],
        }
    )
    assert selector is not None
    assert selector.matches(LABELS)
    assert format_selector(selector) == "app=web,tier in (back,front),!old"
    assert from_label_selector(None) is None
    assert from_label_selector({}) == EVERYTHING
    with pytest.raises(ApiError, match="not a valid label selector operator"):
        from_label_selector({"matchExpressions": [{"key": "a", "operator": "Near"}]})


NAMES = st.from_regex(r"[a-z]([-a-z0-9]{0,5}[a-z0-9])?", fullmatch=True).filter(
    lambda name: name not in ("in", "notin")
)
REQUIREMENTS = st.one_of(
    st.builds(
        Requirement,
        NAMES,
        st.sampled_from(["in", "notin"]),
        st.frozensets(NAMES, min_size=1, max_size=3),
    ),
    st.builds(Requirement, NAMES, st.sampled_from(["exists", "absent"]), st.just(frozenset[str]())),
)


@settings(max_examples=60, deadline=None)
@given(st.lists(REQUIREMENTS, max_size=4), st.dictionaries(NAMES, NAMES, max_size=4))
def test_formatted_selectors_mean_the_same(
    requirements: list[Requirement], labels: dict[str, str]
) -> None:
    selector = Selector(tuple(requirements))
    parsed = parse_label_selector(format_selector(selector))
    assert parsed == selector
    assert parsed.matches(labels) == selector.matches(labels)
