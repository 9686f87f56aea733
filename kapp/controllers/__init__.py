"""The reconcilers, one file a kind; what happens when a file is saved.

    filewatch            the save becomes an event in FileWatch.status    aio/filewatch.py
    kappfile             the event calls for a new evaluation,            evaluation.py
                         whose result is written as objects               kappfileobjects.py
    kubernetesapply      a changed input is applied by a run of its own   applyinput.py, applyrun.py
    inventory            what left the project is deleted                 cluster/inventory.py
    kubernetesdiscovery  the new pods are found by their owners           podsource.py
    portforward          connections go to the new pod once it serves     cluster/forwarder.py
    podlogstream         its containers' logs are followed                cluster/podlogs.py
    uiresource, session  say in one place how all of that went            uistatus.py

docs/life-of-a-save.md tells it at length, and tests/journeys/test_life_of_a_save.py proves it.
`cluster` keeps the connection that all of them use; `kapp.engine.wiring` says what wakes whom.

Rules: a reconciler is given a key, reads the world and makes it so; it never asks what woke it. The
store is the only state: what a reconciler holds besides (watchers, runs, forwarders, tasks) can be
made again from the objects.
"""
