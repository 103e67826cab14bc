"""One run: prepared photos, the loop, its memory, what it leaves in its folder."""
