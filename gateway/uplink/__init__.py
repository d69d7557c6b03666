"""The way to the cloud: batches are sealed, sent, and sent again until they are answered."""
