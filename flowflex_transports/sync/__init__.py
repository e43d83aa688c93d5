"""The sync client and its transport, over urllib3 and threads."""
