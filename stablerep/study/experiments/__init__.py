"""The study itself: arms, steps, and the asking for runs."""
