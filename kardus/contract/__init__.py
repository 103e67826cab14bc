"""What crosses a boundary: the bundle's manifest, the messages, their topics. Of Kardus it imports `support` alone."""
