"""The trio client and its transport."""
