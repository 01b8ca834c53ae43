"""From a figure back to its runs, and to an archive that checks itself."""
