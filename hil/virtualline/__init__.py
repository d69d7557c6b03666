"""The virtual line: starts a cloud stand-in, a gateway and line devices, and keeps them running.

It is what ``make run`` runs, and plays the part that systemd has in a factory. It knows
the programs only by their command lines, their files and the gateway's page.
"""
