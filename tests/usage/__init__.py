"""Tests of who used which image when."""
