"""What Tilt's users complained of, and the tests that would have told.

Numbers are those of issues of tilt-dev/tilt, of what concerns applying, deleting and readiness.
"""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path

import pytest

TESTS = Path(__file__).resolve().parents[1]

PAINS = {
    "6643, 6583: a dead pod watch freezes status and logs": [
        "journeys/test_faults.py::test_a_watch_that_breaks_is_said_and_taken_up_again",
        "runtime/test_remote.py::test_a_silent_watch_is_given_up",
        "runtime/test_reflector.py::test_a_watch_that_is_refused_stays_an_error_though_the_list_works",
        "cluster/test_podlogs.py::test_cuts_and_errors_in_between",
    ],
    "3856: one cluster for all resources": [
        "engine/test_clusters.py::test_a_resource_has_the_cluster_it_names",
    ],
    "5266, 6446, 6295: the guard of contexts is asked at the start only": [
        "engine/test_guard.py::test_an_allowance_that_is_taken_back_holds_for_what_is_under_way",
        "journeys/test_mistakes.py::test_a_context_that_may_be_production_is_refused_until_allowed",
        "kappfile/test_local.py::test_not_for_a_context_that_is_not_allowed",
    ],
    "5884, 3349: namespaces: defaults, and an existing one that is labelled anew": [
        (
            "journeys/test_two_projects.py"
            "::test_a_namespace_that_was_there_is_neither_labelled_nor_deleted"
        ),
        "cluster/test_apply.py::test_resolving_places_objects_by_the_scope_of_their_kind",
        "cluster/test_inventory.py::test_a_namespace_with_another_project_in_it_is_kept",
    ],
    "2241: what somebody deletes goes unnoticed": [
        "journeys/test_drift.py::test_settings",
        "journeys/test_drift.py::test_workloads",
    ],
    "5210, 5765, 6340: leftovers after the end; a down beside a running engine": [
        "journeys/test_two_projects.py::test_down_on_exit",
        "journeys/test_down.py::test_while_up_runs",
        "journeys/test_down.py::test_after_kill_9_with_a_kappfile_that_no_longer_parses",
        "journeys/test_killed.py::test_killed",
        "journeys/test_custom_deploy.py::test_what_a_command_creates_to_its_end_is_deleted",
    ],
    "6384: the operator is deleted before what only it can finalize": [
        (
            "journeys/test_replaced.py"
            "::test_a_kind_and_its_objects_in_one_file_and_what_holds_them_in_down"
        ),
        "cluster/test_inventory.py::test_down_deletes_everything_in_order_and_the_parent_last",
        "cluster/test_inventory.py::test_down_ends_in_time_though_the_cluster_never_answers",
    ],
    "6411, 5169: a forced update deletes CRDs and data": [
        "cluster/test_rerun.py::test_force_makes_anew_what_holds_nothing_of_others",
        "cluster/test_rerun.py::test_what_data_hangs_on_is_never_made_anew",
        "cluster/test_apply.py::test_what_is_to_be_kept_is_not_deleted_to_make_it_anew",
        "journeys/test_replaced.py::test_what_holds_data_is_not_deleted_unless_told_to",
        "journeys/test_switching.py::test_trigger_restarts_and_force_makes_anew",
    ],
    "5277, 6480: large objects; errors told apart by their text": [
        "journeys/test_replaced.py::test_a_config_map_of_280_kb",
        "journeys/test_faults.py::test_what_may_pass_is_shown_and_tried_again",
        "cluster/test_apply.py::test_one_clear_sentence",
    ],
    "6287, 6530, 1931: custom kinds and the readiness of their objects": [
        (
            "journeys/test_replaced.py"
            "::test_a_kind_and_its_objects_in_one_file_and_what_holds_them_in_down"
        ),
        "cluster/test_apply.py::test_a_crd_is_waited_for_before_its_objects",
        "cluster/test_readiness.py::test_state",
    ],
    "5908: dependencies are not looked at again after an enable": [
        "engine/test_modes.py::test_dependencies_gate_again_after_a_disable_and_an_enable",
    ],
    "4385, 5872: a pod that fits nowhere is pending for ever": [
        "cluster/test_readiness.py::test_state",
        "journeys/test_ci.py::test_every_ending",
    ],
    "6756: an object that is declared twice is applied side by side": [
        (
            "cluster/test_apply.py"
            "::test_of_an_object_that_is_there_twice_the_later_one_is_applied_alone"
        ),
        "kappfile/test_assembly.py::test_refuses",
    ],
}


@cache
def _functions(path: Path) -> set[str]:
    found = ast.walk(ast.parse(path.read_text()))
    return {one.name for one in found if isinstance(one, ast.FunctionDef | ast.AsyncFunctionDef)}


@pytest.mark.parametrize("pain", PAINS)
def test_there_is_a_test_for(pain: str) -> None:
    for named in PAINS[pain]:
        path, _, function = named.partition("::")
        assert function in _functions(TESTS / path), named
