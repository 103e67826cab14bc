"""Printed codes in pictures: the labels of a rack's locations, and what cartons bear."""
