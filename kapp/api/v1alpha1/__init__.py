"""Version v1alpha1 of kapp's kinds, one file each; `scheme` has them all."""
