"""The matchers of a silence, held against a configuration."""

from __future__ import annotations

from collections.abc import Sequence

from router.config.model import Config
from router.config.problems import Place, Problems
from router.silencing import Known, Matchers, Word, compile_matchers, meant, typed

#: What stands in front of line and column, in place of a file.
_WHERE = "silence"


def known(config: Config) -> Known:
    """Return what matchers may name."""
    return Known(
        sources=frozenset(config.sources),
        types=frozenset().union(*(source.accept_types for source in config.sources.values())),
        region=config.region,
        hours=frozenset(config.hours),
        destinations=frozenset(config.destinations),
        rules=frozenset(rule.name for rule in config.routes.rules),
    )


def read_silence(matchers: Sequence[str], config: Config) -> Matchers:
    """Return what *matchers* mean under *config*; raises ConfigError with every mistake, located in what was typed.

    A destination or rule that *config* does not have is no mistake here: the silence may be older than *config*.
    """
    problems = Problems(_WHERE, typed(matchers))

    def report(at: object, text: str, hint: str | None) -> None:
        problems.error(Place(1, at.column, max(len(at), 1)) if isinstance(at, Word) else Place(1, 1), text, hint)

    found = compile_matchers(matchers, known(config), report)
    problems.raise_errors()
    return found


def read_new_silence(matchers: Sequence[str], config: Config) -> Matchers:
    """Do the same for a silence that is being typed: every destination and rule it names must be there."""
    found = read_silence(matchers, config)
    line, names = typed(matchers), known(config)
    problems = Problems(_WHERE, line)
    for gone in found.gone:
        key, _, name = gone.partition(" ")
        bare = name.strip('"')
        at = line.find(bare, line.find(f"{key}"))
        problems.error(Place(1, at + 1, len(bare)), f"there is no {gone}", meant(gone, names))
    problems.raise_errors()
    return found
