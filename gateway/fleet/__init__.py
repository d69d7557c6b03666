"""Firmware profiles and their data contracts: what the device classes of this site are."""
