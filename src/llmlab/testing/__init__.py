"""Shipped fakes: real servers and engines that follow a script."""
