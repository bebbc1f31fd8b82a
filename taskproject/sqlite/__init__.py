"""Django's SQLite backend, with additions: see base.py."""
