"""The claims under test, and the table that says which chapter tests each and what came of it."""

from __future__ import annotations

import re
from math import nan
from types import SimpleNamespace

import pytest

from stablerep.errors import MissingError
from stablerep.study import claims
from stablerep.study.chapters import chapter, chapter_names
from stablerep.study.claims import (
    CLAIMS,
    MARK,
    NOT_AVAILABLE,
    UNTESTED_MARK,
    Claim,
    scoreboard,
    scoreboard_lines,
    stored_answers,
    untested,
)
from stablerep.study.experiments.answers import Answer, Effect
from stablerep.study.protocol import protocol_hash
from stablerep.study.root import PROJECT


def rows(table: str) -> dict[str, list[str]]:
    """The cells of each row by the name of its claim, of both tables; a claim of several chapters has its last row."""
    listed = [
        row
        for part in re.findall(r"^\* - (.*?)(?=\n:::)", table, re.DOTALL | re.MULTILINE)
        for row in part.split("\n* - ")[1:]
    ]
    cells = [re.split(r"\n  - ", row) for row in listed]
    return {re.match(r"\*\*(C\d+)\*\* ", row[0])[1]: row for row in cells}


def word(row: list[str]) -> str:
    """What stands in the column of verdicts, without its badge's HTML; of a claim without a verdict, why there is none."""
    if (
        len(row) == 2
    ):  # of the second table, whose title says that nothing is stored, and whose rows say what else there is
        why = re.search(r" \((no [^()]*)\)$", row[0])
        return why[1] if why else "no results stored"
    return re.sub(r"<[^>]+>", "", row[1])


def sentence(table: str) -> str:
    """On Holm's method, between the tables."""
    return next(part for part in table.split("\n\n") if part.startswith(("Holm's method", "No claim was testable")))


def first_sentences(table: str) -> str:
    """What stands before the tables."""
    return table.partition(":::")[0].strip()


UP = ("reproduced", 0.001)


@pytest.fixture
def stored(monkeypatch):
    """Chapters with made-up stored results: by chapter, a word and p-value for each claim, or an error of the rule; and their protocols."""

    def store(answers: dict[str, dict[str, tuple[str, float]] | Exception], **protocols: str | None) -> None:
        def verdict_of(name):
            def verdict(tables):
                if isinstance(answers[tables["name"]], Exception):
                    raise answers[tables["name"]]
                return [Answer(claim, word, "why", p=p) for claim, (word, p) in answers[tables["name"]].items()]

            found = answers[name]
            return SimpleNamespace(CLAIMS=("C1",) if isinstance(found, Exception) else tuple(found), verdict=verdict)

        def record_of(name):
            if protocols.get(name) == "missing":
                raise MissingError(f"results/{name} holds no stored results")
            return {"protocol": protocols.get(name, protocol_hash(verdict_of(name).CLAIMS))}

        monkeypatch.setattr(claims, "chapter_names", lambda: list(answers))
        monkeypatch.setattr(claims, "chapter", verdict_of)
        monkeypatch.setattr(claims, "stored_tables", lambda name: {"name": name})
        monkeypatch.setattr(claims, "stored_record", record_of)

    return store


def test_every_claim_of_a_chapter_is_a_claim():
    names = [claim.name for claim in CLAIMS]
    assert len(set(names)) == len(names)
    for name in chapter_names():
        assert set(chapter(name).CLAIMS) <= set(names), name


def test_the_scoreboard_has_every_claim_with_its_chapter_or_why_none():
    before, _, others = untested().partition(":name: table-open-claims")
    verdicts = scoreboard()
    found = rows(f"{others}\n:::") | rows(verdicts) | rows(before)
    assert set(found) == {claim.name for claim in CLAIMS} and not set(rows(verdicts)) & set(rows(before))
    for claim in CLAIMS:
        testing = [name for name in chapter_names() if claim.name in chapter(name).CLAIMS]
        stored = [name for name in testing if stored_answers(name)[0]]
        if stored:
            assert found[claim.name][0] == f"**{claim.name}** {claim.told(stored[-1])} {{doc}}`chapters/{stored[-1]}`"
            assert found[claim.name][3] == claim.report()
        elif testing:
            told = [f"**{claim.name}** {claim.told(testing[0])}", f"{{doc}}`chapters/{testing[0]}`"]
            assert "\n  - ".join(told) in others and f"| {told[0]} | `{testing[0]}` |" in scoreboard_lines()
        else:
            assert found[claim.name] == [f"**{claim.name}** {claim.text}", claim.exhibit, claim.untested]


def test_what_limits_an_answer_stands_in_both_tables_of_claims(stored, monkeypatch):
    stored({"one": {"C9": UP}})
    limited = SimpleNamespace(
        CLAIMS=("C9",), verdict=lambda tables: [Answer("C9", *UP, but="Not so by another probe.")]
    )
    monkeypatch.setattr(claims, "chapter", lambda name: limited)
    assert "  - –. Not so by another probe.\n" in scoreboard() and "–. Not so by another probe." in scoreboard_lines()


def test_a_claim_of_two_chapters_has_a_row_for_each(stored):
    stored({"one": {"C9": UP}, "two": {"C2": UP}, "three": {"C9": ("undecided", nan)}})
    lines = scoreboard_lines().splitlines()[2:]
    assert [[cell.strip() for cell in line.strip("|").split("|")][::2] for line in lines] == [
        ["C2", "reproduced", "`two`"], ["C9", "reproduced", "`one`"], ["C9", "undecided", "`three`"],
    ]  # fmt: skip
    assert rows(untested())["C1"][2] == "no chapter yet"


def test_without_an_untested_claim_there_is_a_sentence():
    assert {claim for name in chapter_names() for claim in chapter(name).CLAIMS} == {claim.name for claim in CLAIMS}
    assert untested().startswith("Every claim has a chapter that tests it.")


def test_claims_without_stored_results_stand_apart_and_are_named(stored):
    stored({"one": {"C1": UP, "C5": UP}, "two": {"C1": UP, "C2": UP}}, two="missing")
    verdicts, others = scoreboard(), untested().partition(":name: table-open-claims")[2]
    assert "C2" not in verdicts.partition(":::")[2] and "  - {doc}`chapters/two`" in others
    assert "* - **C2** StableRep on synthetic images beats SimCLR" in others
    c1 = claims.claim_named("C1").text
    assert f"* - **C1** {c1}\n" in others  # it tests all of it again, so that the claim is told in full
    assert "C2 has no stored results yet ({numref}`table-open-claims`)." in untested()
    readme = scoreboard_lines()
    assert readme.index("| C5 |") < readme.index("No stored results yet:") < readme.index("| **C2** StableRep")
    stored({"one": {"C1": UP}})
    assert "table-open-claims" not in scoreboard() + untested() and "No stored" not in scoreboard_lines()
    stored({"one": {"C1": UP}}, one="missing")
    assert "table-claims" not in scoreboard() and scoreboard_lines().startswith("No stored results yet:")


def test_what_a_chapter_tests_of_a_claim_that_was_told_is_said_alone(stored, monkeypatch):
    stored({"one": {"C2": UP}, "two": {"C2": UP}}, two="missing")
    of = claims.chapter
    part = {"C2": "at the longest training"}
    monkeypatch.setattr(
        claims, "chapter", lambda name: SimpleNamespace(**vars(of(name)), TESTED=part if name == "two" else {})
    )
    assert "* - **C2** Also at the longest training.\n  - {doc}`chapters/two`" in untested()


def test_why_a_claim_cannot_be_tested_stands_in_the_place_of_its_effect(stored, monkeypatch):
    stored({"one": {"C8": UP}})
    why = "a against b: not clearly above the floors: a minus c is -1.4 points"
    answer = Answer("C8", "not testable at this scale", why)
    monkeypatch.setattr(
        claims, "chapter", lambda name: SimpleNamespace(CLAIMS=("C8",), verdict=lambda tables: [answer])
    )
    assert rows(scoreboard())["C8"][2] == "A against b: not clearly above the floors"


def test_a_changed_number_changes_the_first_page_and_readme(stored, monkeypatch):
    """From the numbers of a table to the row: the pair that speaks least for the claim, its interval, and the smallest visible effect."""

    def with_effects(low: float) -> tuple[str, str]:
        effects = [Effect("a − c", 0.021, low, 0.04, 0.025), Effect("a − b", 0.03, 0.01, 0.05, 0.02)]
        answer = Answer("C2", "reproduced", "why", p=0.001, effects=effects)
        one = SimpleNamespace(CLAIMS=("C2",), verdict=lambda tables: [answer])
        monkeypatch.setattr(claims, "chapter", lambda name: one)
        return rows(scoreboard())["C2"][2], scoreboard_lines()

    stored({"one": {"C2": UP}})
    before, after = with_effects(0.002), with_effects(0.004)
    assert before[0] == "a − c: +2.1 [+0.2, +4.0], smallest detectable 2.5; 1 more" and before[0] in before[1]
    assert after[0] == "a − c: +2.1 [+0.4, +4.0], smallest detectable 2.5; 1 more" and after[0] in after[1]


def test_the_first_page_says_in_a_few_sentences_what_came_out(stored, monkeypatch):
    stored({"one": {"C1": UP, "C2": ("contradicted", 0.001)}, "two": {"C5": ("undecided", nan), "C6": UP}})
    when = " {numref}`tab-words` of the Protocol says when each word is said."
    assert (
        first_sentences(scoreboard())
        == f"Of 4 claims that this book tests: *reproduced* C1, C6; *contradicted* C2; *undecided* C5.{when}"
    )
    of = claims.chapter

    def with_more(name):
        found = of(name)
        if name == "two":
            found.in_short = lambda tables: [f"More of {tables['name']}."]
        return found

    monkeypatch.setattr(claims, "chapter", with_more)
    said = first_sentences(scoreboard())
    assert said.startswith("More of two.\n\nOf 4 claims") and said.endswith(
        f"*undecided* C5.{when}"
    )  # the answer first
    stored({"one": {"C1": UP}, "two": {"C5": UP}}, two="missing")
    assert (
        first_sentences(scoreboard())
        == f"Of 2 claims that this book tests, 1 has stored results so far: *reproduced* C1.{when}"
    )
    stored({"one": MissingError("nothing")}, one="missing")
    assert first_sentences(scoreboard()).startswith("No claim was testable by stored results")


def test_what_the_authors_report_is_one_published_number():
    reports = {claim.name: claim.report() for claim in CLAIMS}
    assert reports["C5"] == "StableRep+ 73.5 % with 10 million captions, CLIP 72.9 % with 50 million (ImageNet, linear)"
    assert reports["C1"] == NOT_AVAILABLE
    with pytest.raises(LookupError, match="0 published numbers are of SimCLR in Fig6 with "):
        Claim("C0", "", "", reported="{}", numbers=(("Fig6", "SimCLR", ""),)).report()


def test_holm_is_over_the_claims_of_all_chapters(stored):
    """Four tested claims: 0.012 passes 0.05 / 4, 0.02 does not pass 0.05 / 3, and nothing after it does."""
    stored({
        "one": {"C1": ("reproduced", 0.012), "C2": ("contradicted", 0.02)},
        "two": {"C5": ("partly", 0.021), "C6": ("equivalent", nan), "C16": ("not testable at this scale", nan)},
    })  # fmt: skip
    table = scoreboard()
    words = {claim: word(cells) for claim, cells in rows(table).items() if len(cells) == 4}
    assert words == {
        "C1": "reproduced", "C2": "undecided", "C5": "undecided", "C6": "equivalent", "C16": "not testable at this scale",
    }  # fmt: skip
    assert sentence(table) == (
        "Holm's method at 5 % over the tested claims (C1, C2, C5, C6) makes undecided: C2 (*contradicted* by itself), "
        "C5 (*partly* by itself)."
    )


def test_where_holm_upholds_all_the_sentence_says_so_and_names_rules_without_a_p_value(stored):
    stored({"one": {"C1": UP}, "two": {"C8": ("not reproduced", nan), "C5": ("undecided", nan)}})
    table = scoreboard()
    assert sentence(table) == (
        "Holm's method at 5 % over the tested claims (C1, C5, C8) changes no verdict. It cannot correct verdicts whose rule gives no "
        "p-value: C8."
    )
    assert word(rows(table)["C8"]) == "not reproduced"


@pytest.mark.parametrize(
    ("answers", "protocol", "said"),
    [
        ({"C1": UP}, "missing", "no results stored"),
        ({"C1": UP}, None, "no result of the present protocol"),  # of the time before there was one
        ({"C1": UP}, "0123456789ab", "reproduced of an earlier protocol"),
        (KeyError("floors"), "0123456789ab", "no result of the present protocol"),
        (ValueError("differences lack the columns"), "0123456789ab", "no result of the present protocol"),
    ],
)
def test_results_that_are_missing_or_of_another_protocol_are_told(stored, answers, protocol, said):
    stored({"one": answers}, one=protocol)
    table = scoreboard()
    assert word((rows(untested()) | rows(table))["C1"]) == said
    assert ("over the tested claims" in sentence(table)) == ("reproduced" in said)
    assert ("nothing to correct" in sentence(table)) == ("reproduced" not in said)


def test_a_claim_that_a_chapter_does_not_answer_has_no_result(stored, monkeypatch):
    stored({"one": {"C1": UP}})
    monkeypatch.setattr(claims, "chapter", lambda name: SimpleNamespace(CLAIMS=("C1",), verdict=lambda tables: []))
    assert word(rows(untested())["C1"]) == "no result of the present protocol"


def test_texts_are_sentences_that_a_table_can_hold():
    for claim in CLAIMS:
        assert claim.text.endswith(".") and "\n" not in claim.text and not claim.exhibit.endswith("."), claim.name
    text = (PROJECT / "book/introduction.md").read_text()
    assert text.count(MARK) == text.count(UNTESTED_MARK) == 1


def test_a_chapter_may_say_what_of_a_claim_it_tests():
    """So that a verdict on less is not read as one on all."""
    c2 = claims.claim_named("C2")
    assert c2.told("compare") == c2.text
    assert c2.told("longer_larger").startswith(f"{c2.text} (Tested here: against real images alone")
    for name in chapter_names():
        assert set(getattr(chapter(name), "TESTED", {})) <= set(chapter(name).CLAIMS)
