"""Joins the stages: what `pipeline` puts together, in pieces that each know a few of them."""
