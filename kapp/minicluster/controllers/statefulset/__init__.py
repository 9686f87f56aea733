"""StatefulSets: pods with names and claims of their own, one after the other.

Source: pkg/controller/statefulset.
"""

from kapp.minicluster.controllers.statefulset.reconciler import StatefulSetReconciler

__all__ = ["StatefulSetReconciler"]
