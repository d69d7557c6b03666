"""The composition root: where needs and adapters meet, one wiring file a journey."""
