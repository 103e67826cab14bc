"""What the page says in words, in the language of who reads."""
