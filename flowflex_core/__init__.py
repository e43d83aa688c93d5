"""The sans-IO core: it decides everything about a send, and performs nothing."""
