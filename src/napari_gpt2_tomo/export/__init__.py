"""Scans as files for others: an HTML scanner, movies."""
