"""`manage.py loadtest`: a short load on a running service, by HTTP alone, and the check that
nothing was lost or duplicated."""
