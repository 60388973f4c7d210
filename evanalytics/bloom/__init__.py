"""Bloom filters in Parquet's own format: their size, their bits, their files and their error rates."""
