"""What `kubectl get` shows of each built-in kind. Pure functions of an object and the wall time."""
