"""Notebook source read as Python: names, literals, constants, the files that it needs."""
