"""What one test asserts of a case, another need not."""

import pytest


def case_of(item, test):
    """The case in brackets, where the item is one of this test."""
    name, _, case = item.name.partition("[")
    return case if name == test else None


@pytest.hookimpl(trylast=True)  # when those that are not asked for have been left out
def pytest_collection_modifyitems(config, items):
    """`test_all_modes` asserts what `test_first_order` does: a case that is to run in both runs in the former."""
    covered = {case_of(item, "test_all_modes") for item in items} - {None}
    twice = [item for item in items if case_of(item, "test_first_order") in covered]
    if twice:
        config.hook.pytest_deselected(items=twice)
        left_out = set(twice)
        items[:] = [item for item in items if item not in left_out]
