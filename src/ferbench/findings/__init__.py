"""Errors and contradictions in the papers and their released code, as code that measures them."""
