import pandas as pd

from stablerep.figures.explained import explained


def test_only_rows_of_the_table_are_explained_in_the_order_of_the_sentences():
    table = pd.DataFrame({"arm": ["b", "a", "a", "d"]})
    sentences = {"a": "A is one.", "b": "B is two.", "c": "C is three."}
    assert explained(table["arm"], sentences, lead="Rows:") == "Rows: A is one. B is two."


def test_nothing_is_said_where_no_row_is_explained():
    assert explained(["d"], {"a": "A is one."}, lead="Rows:") == ""
    assert explained([], {}) == ""
