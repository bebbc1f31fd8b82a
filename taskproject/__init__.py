"""The service: what all of its apps share."""

#: The version of the service, as in pyproject.toml.
__version__ = "1.4.0"
