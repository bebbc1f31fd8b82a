"""`manage.py loadtest`: a short load on a running service, by HTTP alone, and the proof that
nothing was lost or doubled."""
