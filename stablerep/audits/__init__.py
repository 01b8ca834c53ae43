"""Audits of a generator and of encoders, one module each."""
