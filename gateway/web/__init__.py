"""The local page and its API: what is wrong on this line, and what to do first."""
