"""Deployments: rollouts through ReplicaSets.

`reconciler.py` decides and writes; `rollout.py` (how many pods where), `revisions.py` (template
hashes, revision annotations, history) and `status.py` (counts and conditions) are pure.
"""

from kapp.minicluster.controllers.deployment.reconciler import DeploymentReconciler

__all__ = ["DeploymentReconciler"]
