"""Asynchronous building blocks: owned tasks, coalescing, subprocesses; the only task creator."""
