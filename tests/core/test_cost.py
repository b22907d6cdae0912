"""Cost: promised before an array is seen, and kept."""

from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import networks

import tensornet as tn
from tensornet.testing._cost import check_cost


@settings(max_examples=200)
@given(networks(), st.integers(0, 5), st.sampled_from([(), (1,), (3,), (2, 2)]))
def test_cost_is_what_a_run_counts(network, batch, lead):
    check_cost(tn.Path.of_product(network, batch) if batch else tn.Path.of_matrix(network), lead)
