"""The reference line device: what a firmware developer copies to speak to the gateway.

Read it in this order: ``payloads`` (what is said), ``outbox`` (what is kept),
``protocol`` (what is sent when), ``link`` (how it travels), ``device`` (what it is about).
It stands alone: nothing of the gateway is imported here, only the documented protocol.
"""
