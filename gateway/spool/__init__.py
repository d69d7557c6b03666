"""The durable queue: every receipted message ends in exactly one counted outcome."""
