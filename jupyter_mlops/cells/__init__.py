"""Static analysis of notebook source: names, literals, constants, the files that it reads."""
