"""Our server beside its peers: relays written by hand, and Chainlit, on one model, one load generator, one machine."""
