"""The list to walk with, from what is stored."""
