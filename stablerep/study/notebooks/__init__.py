"""What a notebook works with, and how notebooks are executed."""
