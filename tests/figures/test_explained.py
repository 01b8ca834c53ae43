import pandas as pd

from stablerep.figures.explained import enumerated, explained


def test_only_rows_of_the_table_are_explained_in_the_order_of_the_sentences():
    table = pd.DataFrame({"arm": ["b", "a", "a", "d"]})
    sentences = {"a": "A is one.", "b": "B is two.", "c": "C is three."}
    assert explained(table["arm"], sentences, lead="Rows:") == "Rows: A is one. B is two."


def test_nothing_is_said_where_no_row_is_explained():
    assert explained(["d"], {"a": "A is one."}, lead="Rows:") == ""
    assert explained([], {}) == ""


def test_names_are_enumerated():
    assert [enumerated(["1", "2", "4", "8"][:k]) for k in (0, 1, 2, 4)] == ["", "1", "1 and 2", "1, 2, 4 and 8"]
