"""Kardus edge agent: checks that each storage location holds the carton the WMS expects."""

__version__ = "0.1.0"
