"""Wire formats without sockets, shared by both ends of a streaming subresource."""
