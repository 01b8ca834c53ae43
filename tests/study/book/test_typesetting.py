"""How the text of built pages is set."""

from __future__ import annotations

import pytest

from stablerep.study.book.typesetting import set_page, set_text


@pytest.mark.parametrize(
    ("html", "shown"),
    [
        ("30.8 [27.6, 34.0]; [1, 2, 3] and [a, b]", "30.8 [27.6,\u00a034.0]; [1, 2, 3] and [a, b]"),
        ("by -0.6 [-1.2, +0.0]", "by −0.6 [−1.2,\u00a0+0.0]"),
        ("5-way, pp. 3-4, zero-shot, 12-2026", "5-way, pp. 3-4, zero-shot, 12-2026"),
        ("2026-11-27 10:00", "2026-11-27 10:00"),  # which is copied from a table
        ("on 2026-11-27.", "on 2026\u201111\u201127."),
        ("+0.3 [-0.1, +0.8] % of images", "+0.3 [−0.1,\u00a0+0.8]\u00a0% of images"),
        ("a 95 % interval at w = 2", "a 95\u00a0% interval at w\u00a0=\u00a02"),
        ("seeds = 5, 50 images", "seeds\u00a0=\u00a05, 50 images"),
        ("<em>m</em> = 1", "<em>m</em>\u00a0=\u00a01"),
        ("Table 4.2 has a ViT-B/16", "Table\u00a04.2 has a ViT\u2011B/16"),
    ],
)
def test_numbers_stay_on_one_line_and_have_a_minus_sign(html, shown):
    assert set_text(f"<p>{html}</p>") == f"<p>{shown}</p>"


@pytest.mark.parametrize(
    "html",
    [
        '<p title="[1.0, 2.0] at w = 2">a</p>',
        "<pre>w = -1  # 5 %</pre>",
        '<code class="a"><span>w = -1</span></code>',
        "<script>w = -1</script>",
        '<span class="math notranslate">\\(w = 2, N^{-1}\\)</span>',
        '<div class="math" id="e"><span class="eqno">(1)<a href="#e">#</a></span>\\[w = -1\\]</div>',
    ],
)
def test_tags_code_and_formulas_stay_as_they_are(html):
    assert set_text(html) == html


def test_a_page_is_set_once_however_often_it_is_asked(tmp_path):
    page = tmp_path / "a.html"
    page.write_text("<p>-0.4 [-1.1, +0.4] points at w = 2, 95 %</p>", encoding="utf-8")
    set_page(page)
    once = page.read_text(encoding="utf-8")
    set_page(page)
    assert page.read_text(encoding="utf-8") == once and "−0.4 [−1.1,\u00a0+0.4] points" in once
