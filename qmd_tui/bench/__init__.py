"""Measuring searches against judgments: what `qmd bench` does."""
