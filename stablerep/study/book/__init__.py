"""The HTML book: built, noted, read back, compared."""
