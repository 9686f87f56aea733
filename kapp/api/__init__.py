"""kapp's own kinds."""
