"""Tables of every make: text in whatever encoding, and workbooks, read for sure or refused."""
