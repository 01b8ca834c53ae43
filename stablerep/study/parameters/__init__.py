"""What a reader may change: schemas, presets, paths."""
