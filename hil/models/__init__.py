"""Models of the line device: one folder each, named like the model, with how it was made."""
