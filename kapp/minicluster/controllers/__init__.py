"""The controllers of the embedded cluster, one file each; wired by `kapp.minicluster.cluster`.

    scheduler    Pods without a node            -> spec.nodeName, PodScheduled
    replicaset   ReplicaSets                    -> Pods
    deployment   Deployments                    -> ReplicaSets
    namespace    Namespaces                     -> default ServiceAccount; content deleted last
    endpointslice  Services, Pods               -> EndpointSlices
    event_ttl    Events                         -> deleted after an hour

All are written against the Client protocol; they read through `Mirror`s.
"""
