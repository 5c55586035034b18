"""The verbs of `job`."""

from __future__ import annotations

from jupyter_mlops.magics.table import Noun, Verb

NOUN = Noun("job", "being written", bare="list", verbs=())
ROOT_VERBS: tuple[Verb, ...] = ()
