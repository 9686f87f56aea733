"""The node of the embedded cluster: pods as processes (what a kubelet is to a real cluster).

`kubelet.Node` is what the cluster runs; `streams_*.py` answer `kubectl logs`, `exec`, `attach` and
`port-forward`. `shim/` is a small process of its own that owns every namespace, mount and child, so
that nothing of a pod outlives it. This package imports nothing itself: the shim must start fast.
"""
