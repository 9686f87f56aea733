import pytest
from hypothesis import given
from hypothesis import strategies as st

from kapp.minicluster.controllers.deployment import revisions, rollout


def deployment(replicas=4, surge="25%", unavailable="25%", strategy="RollingUpdate"):
    rolling = {"maxSurge": surge, "maxUnavailable": unavailable}
    return {
        "metadata": {"name": "web"},
        "spec": {
            "replicas": replicas,
            "strategy": {"type": strategy, "rollingUpdate": rolling},
        },
    }


def replica_set(name, replicas, available=None, created=0):
    return {
        "metadata": {
            "name": name,
            "uid": name,
            "creationTimestamp": f"2026-01-01T00:00:0{created}Z",
        },
        "spec": {"replicas": replicas},
        "status": {"availableReplicas": replicas if available is None else available},
    }


@pytest.mark.parametrize(
    ("replicas", "surge", "unavailable", "expected"),
    [
        (1, "25%", "25%", (1, 0)),
        (4, "25%", "25%", (1, 1)),
        (10, "25%", "25%", (3, 2)),
        (10, 0, "1%", (0, 1)),
        (3, 1, 0, (1, 0)),
        (2, 0, 5, (0, 2)),
    ],
)
def test_fenceposts(replicas, surge, unavailable, expected):
    found = rollout.fenceposts(deployment(replicas, surge, unavailable), may_surge=True)
    assert tuple(found) == expected


def test_where_pods_may_not_surge_one_makes_room():
    assert tuple(rollout.fenceposts(deployment(1), may_surge=False)) == (0, 1)
    old = replica_set("old", 0)
    old["status"]["terminatingReplicas"] = 1
    new = replica_set("new", 0)
    sets = [old, new]
    assert rollout.new_set_size(deployment(1), sets, 0, may_surge=False) == 0
    old["status"]["terminatingReplicas"] = 0
    assert rollout.new_set_size(deployment(1), sets, 0, may_surge=False) == 1


def test_unhealthy_old_pods_go_first():
    old = [replica_set("a", 2, available=2, created=1), replica_set("b", 2, available=0, created=2)]
    new = replica_set("new", 1, available=0, created=3)
    plan = rollout.scale_down(deployment(4), old, new, may_surge=True)
    assert [(s["metadata"]["name"], size) for s, size in plan] == [("b", 1)]


def test_scaling_during_a_rollout_is_proportional():
    sets = [replica_set("old", 8, created=1), replica_set("new", 4, created=2)]
    for s in sets:
        s["metadata"]["annotations"] = {rollout.MAX: "12"}
    plan = rollout.proportional(deployment(20, surge=4, unavailable=0), sets, may_surge=True)
    assert {s["metadata"]["name"]: size for s, size in plan} == {"old": 16, "new": 8}


@given(
    replicas=st.integers(1, 12),
    surge=st.integers(0, 5),
    unavailable=st.integers(0, 5),
    may_surge=st.booleans(),
    lazy=st.lists(st.booleans(), max_size=60),
)
def test_a_rollout_keeps_between_its_posts_and_ends(replicas, surge, unavailable, may_surge, lazy):
    """However pods become ready: never too many, never too few available, and it ends."""
    if surge == unavailable == 0:
        surge = 1
    web = deployment(replicas, surge, unavailable)
    posts = rollout.fenceposts(web, may_surge=may_surge)
    old = replica_set("old", replicas, created=1)
    new = replica_set("new", 0, created=2)
    for step in range(200):
        size = rollout.new_set_size(web, [old, new], new["spec"]["replicas"], may_surge=may_surge)
        if size != new["spec"]["replicas"]:
            new["spec"]["replicas"] = size
        else:
            for s, smaller in rollout.scale_down(web, [old], new, may_surge=may_surge):
                s["spec"]["replicas"] = smaller
                s["status"]["availableReplicas"] = min(s["status"]["availableReplicas"], smaller)
        if step >= len(lazy) or lazy[step]:
            ready = min(new["spec"]["replicas"], new["status"]["availableReplicas"] + 1)
            new["status"]["availableReplicas"] = ready
        assert rollout.total([old, new]) <= replicas + posts.surge
        available = rollout.available(old) + rollout.available(new)
        assert available >= replicas - posts.unavailable
    assert (rollout.size(old), rollout.size(new)) == (0, replicas)


def test_hashes_are_labels_and_differ_by_salt():
    template = {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": []}}
    found = {revisions.template_hash(template, salt) for salt in range(5)}
    assert len(found) == 5
    assert all(set(text) <= set("bcdfghjklmnpqrstvwxz2456789") for text in found)


def test_the_annotations_of_a_new_set():
    web = deployment(2)
    web["metadata"]["annotations"] = {
        "kubectl.kubernetes.io/last-applied-configuration": "{}",
        "kubernetes.io/change-cause": "because",
    }
    found = revisions.annotations_for(web, replica_set("new", 0), 3, surge=1)
    assert found == {
        "kubernetes.io/change-cause": "because",
        revisions.REVISION: "3",
        rollout.DESIRED: "2",
        rollout.MAX: "3",
    }


def test_a_set_that_is_rolled_back_to_keeps_its_history():
    before = replica_set("old", 0)
    before["metadata"]["annotations"] = {revisions.REVISION: "1"}
    found = revisions.annotations_for(deployment(2), before, 3, surge=1)
    assert found[revisions.REVISION] == "3"
    assert found[revisions.REVISION_HISTORY] == "1"
