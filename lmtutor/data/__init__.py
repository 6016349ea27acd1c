"""Corpora (`load`), their readers, texts and words, batches."""

from lmtutor.data.catalogue import CATALOGUE, load, overview, verify, without_leaks, write_checksums

__all__ = ["CATALOGUE", "load", "overview", "verify", "without_leaks", "write_checksums"]
