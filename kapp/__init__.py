"""kapp: a continuous deployer for the inner development loop on Kubernetes."""

__version__ = "0.1.0"
