# ruff: noqa: ISC004 -- each text is one item, a line of it on a line

from __future__ import annotations

import pytest

from kapp.kappfile.builtins.settings import duration_s
from kapp.kappfile.model import Settings


def test_defaults(project):
    assert project.run("").settings == Settings()


def test_later_calls_change_only_what_they_name(project):
    settings = project.run(
        "update_settings(max_parallel_updates=5, k8s_upsert_timeout_secs=60)\n"
        "update_settings(k8s_server_side_apply='true')\n"
        "ci_settings(timeout='1h30m')\n"
        "ci_settings(readiness_timeout='90s', k8s_grace_period='')\n"
        "secret_settings(disable_scrub=True)\n"
        "watch_settings(ignore='*.tmp')\n"
        "watch_settings(['build', '!build/keep'])\n"
    ).settings
    root = project.root
    assert settings == Settings(
        max_parallel_updates=5,
        upsert_timeout_s=60.0,
        ci_timeout_s=5400.0,
        ci_readiness_timeout_s=90.0,
        watch_ignores=((root, "*.tmp"), (root, "build"), (root, "!build/keep")),
        scrub_secrets=False,
    )


def test_a_version_of_tilt_is_not_checked(project):
    (warning,) = project.run("version_settings(constraint='>=0.22.2')").warnings
    assert str(warning) == (
        "Kappfile:1: version_settings: the constraint '>=0.22.2' is not checked by kapp"
    )


@pytest.mark.parametrize(
    ("written", "seconds"),
    [("0", 0), ("30s", 30), ("1.5m", 90), ("1h1m1s", 3661), ("500ms", 0.5), (".5h", 1800)],
)
def test_durations(written, seconds):
    assert duration_s("timeout", written) == seconds


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        (
            "ci_settings(timeout='soon')",
            "ci_settings: `timeout`: 'soon' is no duration (such as '30s', '5m' or '1h30m')",
        ),
        (
            "ci_settings(timeout='5')",
            "ci_settings: `timeout`: '5' is no duration (such as '30s', '5m' or '1h30m')",
        ),
        (
            "update_settings(max_parallel_updates=0)",
            "update_settings: `max_parallel_updates` must be at least 1 "
            "(max_parallel_updates: how many resources are applied at once (16))",
        ),
        (
            "update_settings(k8s_server_side_apply=True)",
            "update_settings: `k8s_server_side_apply` must be one of 'auto', 'true', 'false', "
            "not True (k8s_server_side_apply: `'auto'`, `'true'` or `'false'`, which all are the "
            "same to kapp)",
        ),
    ],
)
def test_refuses(project, written, expected):
    assert project.fails(written).one_line() == f"Kappfile:1: {expected}"
