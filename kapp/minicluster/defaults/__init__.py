"""What the API server fills in where a manifest is silent. Pure functions that change in place."""
