"""One notebook at many combinations of parameters, by many processes."""
