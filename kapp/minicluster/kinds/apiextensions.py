"""The kind of the group apiextensions.k8s.io, version v1: what defines custom kinds."""

from __future__ import annotations

from kapp.machinery.objects import metadata_of
from kapp.machinery.scheme import Column, Kind
from kapp.minicluster import openapi
from kapp.minicluster.columns.cells import NAME
from kapp.minicluster.defaults import apiextensions as defaults
from kapp.minicluster.resources import DEFINITIONS
from kapp.minicluster.validation import apiextensions as validation

CUSTOM_RESOURCE_DEFINITION = Kind(
    group=DEFINITIONS.group,
    version=DEFINITIONS.version,
    kind=DEFINITIONS.kind,
    plural=DEFINITIONS.plural,
    short_names=("crd", "crds"),
    categories=("api-extensions",),
    columns=(
        NAME,
        Column("Created At", lambda obj, _now: metadata_of(obj).get("creationTimestamp"), "date"),
    ),
    schema=openapi.definitions()[
        "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.CustomResourceDefinition"
    ],
    definitions=openapi.definitions(),
    default=defaults.custom_resource_definition,
    validate=validation.custom_resource_definition,
    strategic=True,
)

KINDS = (CUSTOM_RESOURCE_DEFINITION,)
