"""What must hold of the measures of style."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from preferences.style import STYLE_NAMES, Style, contrast_styles, measure_style, style_matrix

TEXT = """# Title

Some **bold** words and __more__.

- one
* two
  3. three
1) four

```python
# not a title
- not a list **nor bold**
```
## End"""


def test_markdown_is_counted_and_code_is_not_taken_for_it():
    style = measure_style(TEXT)
    assert (style.headers, style.lists, style.bold, style.code) == (2, 4, 2, 1)
    assert style.chars == len(TEXT)


@pytest.mark.parametrize(
    ("text", "words"),
    [("", 0), ("two words", 2), ("你好吗", 3), ("한국어 단어", 2), ("naïve café", 2), ("…!?", 0)],
)
def test_words_are_counted_in_scripts_with_and_without_spaces(text, words):
    assert measure_style(text).words == words


def test_a_fence_left_open_and_one_of_another_kind_inside():
    assert measure_style("```\n# code\n~~~\n- code").code == 1
    assert measure_style("```\n# code\n~~~\n- code").headers == 0


@pytest.mark.parametrize(
    ("text", "bold"),
    [("\n" * 200_000, 0), (" " * 200_000, 0), ("**a " * 100_000, 50_000), ("_" * 200_000, 0)],
)
def test_a_long_monotonous_text_is_measured_in_linear_time(text, bold):
    assert measure_style(text).bold == bold  # quadratic time would be minutes


@given(st.text())
def test_any_text_can_be_measured(text):
    assert all(count >= 0 for count in style_matrix([measure_style(text)])[0])


@given(st.lists(st.integers(0, 10**6), min_size=6, max_size=6), st.integers(0, 10**6))
def test_a_contrast_is_bounded_and_turns_its_sign_with_the_places(counts, other):
    one, two = np.array([counts], float), np.full((1, 6), float(other))
    contrast = contrast_styles(one, two)
    assert (np.abs(contrast) <= 1).all()
    assert np.array_equal(contrast, -contrast_styles(two, one))


def test_columns_are_in_the_order_of_their_names():
    assert style_matrix([]).shape == (0, len(STYLE_NAMES))
    row = style_matrix([Style(words=1, chars=2, headers=3, lists=4, bold=5, code=6)])[0]
    assert dict(zip(STYLE_NAMES, row, strict=True))["lists"] == 4
