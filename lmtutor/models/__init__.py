"""The models that are built in front of the reader and used again later."""
