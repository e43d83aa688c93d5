"""Transports that drive the core over urllib3 and trio."""
