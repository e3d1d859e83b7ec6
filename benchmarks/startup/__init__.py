"""The third part: importing, building, the first request, a second app, and what memory does."""
