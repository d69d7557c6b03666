"""Who belongs to this site: site CA, certificates, device inventory, recovery key."""
