"""Names for files and addresses."""

import pytest

from util.files import ascii_name


@pytest.mark.parametrize(
    ("name", "plain"),
    [
        ("males_model", "males_model"),
        ("v1.0-b", "v1.0-b"),
        ("Männer & Frauen", "Manner_Frauen"),
        ("a/b\\c", "a_b_c"),
        ("../../evil", "evil"),
        ("東京", "Dong_Jing"),
        ("", "unnamed"),
        ("///", "unnamed"),
    ],
)
def test_ascii_names(name, plain):
    assert ascii_name(name) == plain
