"""Custom kinds: what a CustomResourceDefinition says, as kinds that the server can serve."""
