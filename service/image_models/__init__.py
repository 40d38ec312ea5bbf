"""The image models on offer, and how they compare with those of the services."""
