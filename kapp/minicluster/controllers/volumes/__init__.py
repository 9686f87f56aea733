"""PersistentVolumes: directories that outlive pods, given to those who claim them.

Source: pkg/controller/volume/persistentvolume/pv_controller.go and pkg/controller/volume/
pvcprotection, pvprotection. A claim without a volume gets a directory of the node's, if its class
is the cluster's own.
"""
