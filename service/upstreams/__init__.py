"""Image services: the contract, one client each, and the reading of their answers."""
