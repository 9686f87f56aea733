"""The runtime shim: one small process that owns all pods' processes, namespaces and mounts.

Standard library only, single-threaded, few imports: it forks for every pod, container and exec, and
what it has loaded each fork pays for. It keeps no policy: the node tells it what to start and to
signal (`protocol`), it says what exited. Nothing it makes is visible to the host: interfaces and
mounts live in its own namespaces, and vanish with it. When the node dies, the shim dies (parent
death signal, end of the control socket), and with it the first process of every pod, whose death
makes the kernel kill the pod's whole process namespace.
"""
