"""`python -m library.guide`: what to try, once the library is being served."""

from __future__ import annotations

GUIDE = """\
The library opens on http://127.0.0.1:8000. In another terminal:

  curl 'localhost:8000/books?text=bronte'
  curl 'localhost:8000/books?author=woolf&year_from=1925&year_to=1930&limit=2'
  curl localhost:8000/books/moby-dick-1851

  curl localhost:8000/members --json '{"name": "Ishmael"}' -H 'x-librarian-key: open-sesame'
  curl localhost:8000/loans --json '{"book": "moby-dick-1851", "member": 1}'
  curl 'localhost:8000/loans?status=open&member=1'
  curl -X POST localhost:8000/loans/1/return

The librarian's key is open-sesame unless LIBRARIAN_KEY says otherwise; everything is kept in
./library.sqlite3 unless LIBRARY_DATABASE names another file.
"""

if __name__ == "__main__":
    print(GUIDE)  # noqa: T201
