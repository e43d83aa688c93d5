"""The synchronous client and its urllib3 transport."""
