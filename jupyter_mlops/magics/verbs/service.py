"""The verbs of `service`."""

from __future__ import annotations

from jupyter_mlops.magics.table import Noun, Verb

NOUN = Noun("service", "being written", bare="list", verbs=())
