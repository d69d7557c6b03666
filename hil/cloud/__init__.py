"""The cloud stand-in: receives batches by docs/upload-protocol.md, and misbehaves on demand.

For development and tests. It is the other end of the upload protocol, written from the
protocol's page and not from the gateway's code, so that a mistake shows as a refusal.
"""
