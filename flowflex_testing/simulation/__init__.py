"""A simulator: whole sends, network and server included, in one thread under a virtual clock, from a seed."""
