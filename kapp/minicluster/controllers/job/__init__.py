"""Jobs: pods that run to their end.

Source: pkg/controller/job. Every pod carries a finalizer until it is counted, so that none is lost
or counted twice; a Job ends in two steps, with an interim condition (`SuccessCriteriaMet` or
`FailureTarget`) while pods are still terminating.
"""

from kapp.minicluster.controllers.job.reconciler import JobReconciler

__all__ = ["JobReconciler"]
