"""Tabs of the geometry dock."""
