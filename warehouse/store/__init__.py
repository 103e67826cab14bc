"""The warehouse's one store, in a SQLite file or in PostgreSQL (docs/adr/0026-one-store-two-databases.md)."""
