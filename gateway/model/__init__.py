"""Nouns that cross capabilities. Pure: values in, values out, no I/O."""
