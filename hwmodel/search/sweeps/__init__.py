"""Spaces of designs, computed into a store that survives a kill."""
