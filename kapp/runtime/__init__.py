"""Controllers' runtime: clients, reflectors, work queues and the reconcile loop."""
