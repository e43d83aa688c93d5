"""A fake FlowFlex for tests and local work."""
