"""Runs: results named by everything that determines them, kept whole, with where they came from."""
