"""Commands, one file a noun. Each offers ``add_parser(commands)``; exit codes are in ``exits``."""
