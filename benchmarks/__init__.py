"""Hesper beside a hand-written ASGI app and beside its peers, on the same work in one process."""
