"""The kinds of the group batch, version v1."""

from __future__ import annotations

from kapp.machinery.scheme import Kind
from kapp.minicluster import openapi
from kapp.minicluster.columns import batch as columns
from kapp.minicluster.defaults import batch as defaults
from kapp.minicluster.roundtrip import typed
from kapp.minicluster.validation import batch as validation

JOB = Kind(
    group="batch",
    version="v1",
    kind="Job",
    plural="jobs",
    categories=("all",),
    namespaced=True,
    columns=columns.JOBS,
    schema=openapi.schema("batch.v1.Job"),
    definitions=openapi.definitions(),
    default=typed("batch.v1.Job", defaults.job),
    validate=validation.job,
    selectable=("status.successful",),
    propagation="Orphan",
    strategic=True,
)
CRON_JOB = Kind(
    group="batch",
    version="v1",
    kind="CronJob",
    plural="cronjobs",
    short_names=("cj",),
    categories=("all",),
    namespaced=True,
    columns=columns.CRON_JOBS,
    schema=openapi.schema("batch.v1.CronJob"),
    definitions=openapi.definitions(),
    default=typed("batch.v1.CronJob", defaults.cron_job),
    validate=validation.cron_job,
    strategic=True,
)

KINDS = (JOB, CRON_JOB)
