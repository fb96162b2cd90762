"""How things stand, gathered for people at three in the morning and for probes."""
