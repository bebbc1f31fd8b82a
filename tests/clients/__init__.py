"""Linters and client generators, run over the OpenAPI document: `make test-clients`."""
