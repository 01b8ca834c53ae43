"""The machinery behind the study: runs, presets, parameters, notebooks, the book and the command line."""
