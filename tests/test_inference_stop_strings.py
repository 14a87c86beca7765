"""Stop strings, however the text is cut."""

from hypothesis import given
from hypothesis import strategies as st

from inference.stop_strings import StopStrings


def feed(stop: list[str], pieces: list[str]) -> tuple[str, bool]:
    strings = StopStrings(stop)
    text = "".join(strings.push(piece) for piece in pieces)
    return text + strings.flush(), strings.is_found


def test_stop_string_across_pieces_is_never_shown():
    assert feed(["###"], ["Hello", " #", "#", "# more"]) == ("Hello ", True)


def test_beginning_of_a_stop_string_is_held_back_and_released():
    strings = StopStrings(["END"])
    assert strings.push("the EN") == "the "
    assert strings.push("D") == ""
    strings = StopStrings(["END"])
    assert strings.push("the EN") + strings.push("TRY") == "the ENTRY"


def test_held_text_comes_out_at_the_end():
    assert feed(["END"], ["so E", "N"]) == ("so EN", False)


def test_nothing_comes_after_the_stop():
    strings = StopStrings(["."])
    assert [strings.push("a.b"), strings.push("c"), strings.flush()] == ["a", "", ""]


def test_without_stop_strings_text_passes_untouched():
    assert feed([], ["a", "", "b"]) == ("ab", False)


letters = st.text(alphabet="ab", max_size=30)


@given(letters, st.lists(st.text(alphabet="ab", min_size=1, max_size=5), max_size=4), st.data())
def test_cuts_make_no_difference(text: str, stop: list[str], data: st.DataObject):
    cuts = sorted(data.draw(st.sets(st.integers(0, len(text)))))
    pieces = [text[a:b] for a, b in zip([0, *cuts], [*cuts, len(text)], strict=True)]
    shown, is_found = feed(stop, pieces)
    assert (shown, is_found) == feed(stop, list(text)) == feed(stop, [text])
    assert text.startswith(shown)
    assert not any(word in shown for word in stop)
    assert is_found == any(word in text for word in stop)
