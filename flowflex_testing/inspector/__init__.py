"""What is served beside the API of a local fake: the page, and the `/_fake/` that it works by."""
