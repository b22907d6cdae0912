"""The laws that every tensor format keeps, for anybody's format."""
