"""A lending library over SQLite: a small, complete Hesper application."""
