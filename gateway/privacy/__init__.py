"""What of a message may leave the site, and in which form."""
