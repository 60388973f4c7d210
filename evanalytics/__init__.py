"""A flight simulator and workbench for event pipelines."""
