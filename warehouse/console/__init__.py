"""The API over the store: what people and programs read, and the little that they may say; the page stands on it."""
