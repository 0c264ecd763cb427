"""Reads metrics from stdin with Prometheus's parser and checks what it does not; gives name -> [[labels, value]] as JSON."""

import json
import sys

from prometheus_client.parser import text_string_to_metric_families

families = list(text_string_to_metric_families(sys.stdin.read()))
names = [family.name for family in families]
assert len(names) == len(set(names)), f"twice: {sorted(names)}"
seen = set()
for family in families:
    assert family.documentation, f"{family.name} has no help"
    assert family.type in ("gauge", "counter", "histogram"), f"{family.name} is {family.type}"
    for sample in family.samples:
        key = (sample.name, tuple(sorted(sample.labels.items())))
        assert key not in seen, f"twice: {key}"
        seen.add(key)
        assert family.type != "counter" or sample.name.endswith("_total"), f"{sample.name} is a counter"
json.dump({family.name: [[sample.labels, sample.value] for sample in family.samples] for family in families}, sys.stdout)
