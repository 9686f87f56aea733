"""Laws of object names."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from kapp.kappfile.assembly.names import matches, potential_names, unique_names

PARTS = st.sampled_from(["a", "B", "c"])
OBJECTS = st.builds(
    lambda name, kind, namespace, group: {
        "apiVersion": f"{group}/v1" if group else "v1",
        "kind": kind,
        "metadata": {"name": name} | ({"namespace": namespace} if namespace else {}),
    },
    name=PARTS,
    kind=st.sampled_from(["Deployment", "Job"]),
    namespace=st.sampled_from(["", "default", "n1"]),
    group=st.sampled_from(["", "apps", "x.dev"]),
)


@settings(max_examples=200, deadline=None)
@given(st.lists(OBJECTS, max_size=8))
def test_names_are_unique_and_name_one_object(objects):
    names = unique_names(objects)
    assert len(set(names)) == len(objects)
    for name, obj in zip(names, objects, strict=True):
        known = potential_names(obj)
        if name in known:
            assert [other for other in objects if matches(name, other)] == [obj]
            shorter = known[: known.index(name)]
            assert all(sum(matches(s, other) for other in objects) > 1 for s in shorter)
        else:
            assert name.rpartition(":")[0] == known[-1]
            assert sum(matches(known[-1], other) for other in objects) > 1


@settings(max_examples=50, deadline=None)
@given(OBJECTS)
def test_a_fragment_matches_in_any_case(obj):
    for name in potential_names(obj):
        assert matches(name, obj)
        assert matches(name.upper(), obj)
        assert not matches(f"{name}:", obj)
