"""What make calls: set-up, locks, and the parts of the documentation that code writes."""
