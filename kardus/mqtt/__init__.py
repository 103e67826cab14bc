"""The wire to the broker: one connection (`connection`), and the session that keeps one up (`session`)."""
