"""Where a store is opened for what: here, what a node may do while it starts."""

from __future__ import annotations

from router import engine
from router.config import load

CONFIG = """\
listen: 127.0.0.1:0
store: {url}
node: starting
timezone: UTC
region: GB
sources: {{wavix: {{}}}}
destinations: {{log: {{type: console}}}}
rules: []
always: [log]
unmatched: drop
alerts: none
"""


def test_a_node_that_starts_leaves_every_call_to_those_that_route_it(tmp_path, postgres_url):
    (tmp_path / "config.yaml").write_text(CONFIG.format(url=postgres_url))
    config = load(tmp_path / "config.yaml")
    store = engine.open_store(config)
    try:
        engine.prepare(config, store, delivers=True)

        assert store.shares == frozenset()
        assert store.pass_on("wavix", "call-1", b"{}", 100.0)
        assert store.session.execute("SELECT source, body FROM inbox").fetchall() == [("wavix", b"{}")]
    finally:
        store.close()


def test_of_two_nodes_that_start_one_may_carry_out_commands(tmp_path, postgres_url):
    (tmp_path / "config.yaml").write_text(CONFIG.format(url=postgres_url))
    config = load(tmp_path / "config.yaml")
    first, second = engine.open_store(config), engine.open_store(config)
    try:
        assert engine.prepare(config, first, delivers=True)
        assert not engine.prepare(config, second, delivers=True)
    finally:
        first.close()
        second.close()
