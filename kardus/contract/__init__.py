"""What crosses a boundary: the bundle's manifest, the messages and their topics. Imports nothing of Kardus."""
