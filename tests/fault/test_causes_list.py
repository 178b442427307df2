"""Every cause of spec 02, 17.1 has a test that is named after it, or is named here with the test that covers it."""

import re
from pathlib import Path

TESTS = Path(__file__).resolve().parents[1]

ELSEWHERE = {
    17: ("e2e/test_pull.py", "test_a_failed_pull_says_so"),
    31: ("api/test_workspaces.py", "test_bad_create"),
    32: ("api/test_control_plane.py", "test_a_delete_ends_the_machine"),
    33: ("api/test_control_plane.py", "test_a_stop_that_fails_is_tried_until_it_is_done"),
    34: ("api/test_control_plane.py", "test_an_order_whose_answer_is_lost_makes_one_machine"),
    37: ("e2e/test_refresh.py", "test_only_what_changed_is_brought_over_two_at_a_time"),
    38: ("api/test_retention.py", "test_old_rows_go_by_themselves"),
    39: ("e2e/test_refresh.py", "test_old_images_go_when_that_is_wished"),
    40: ("fault/test_network.py", "test_a_dead_endpoint_is_removed"),
    42: ("api/test_control_plane.py", "test_each_machine_gets_one_token_of_its_own"),
    50: ("unit/test-store-tree.c", "workspace_channels WHERE workspace_id = $1 AND enabled = 1"),
}

# What does not exist yet cannot leak yet: terminals, plugins.
NOT_BUILT = {49, 53}


def test_every_cause_has_its_test():
    named = set()
    for path in Path(__file__).parent.glob("test_causes_*.py"):
        for name in re.findall(r"^def (test_\w+)", path.read_text(), re.MULTILINE):
            named |= {int(number) for number in re.findall(r"_L(\d\d)", name)}
    for path, text in ELSEWHERE.values():
        assert text in (TESTS / path).read_text(), f"{path} has no {text}"
    assert named | set(ELSEWHERE) | NOT_BUILT == set(range(1, 55))
    assert not NOT_BUILT & (named | set(ELSEWHERE))


def test_what_is_not_built_has_no_route():
    routes = (TESTS.parent / "src" / "api" / "routes.c").read_text()
    assert "/terminal" not in routes and "/plugins" not in routes
