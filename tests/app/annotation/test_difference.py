"""The word diff of an improved text."""

from hypothesis import given
from hypothesis import strategies as st

from app.web.difference import Piece, count_words, difference

WORDS = st.lists(st.sampled_from(["the", "The", "fox", " ", "  ", "\n", ".", "—", "木", "が", "né", "🦊"]), max_size=40)


@given(WORDS, WORDS)
def test_the_pieces_make_up_both_texts(before: list[str], after: list[str]) -> None:
    one, two = "".join(before), "".join(after)
    pieces = difference(one, two)
    assert "".join(piece.text for piece in pieces if piece.change != "added") == one
    assert "".join(piece.text for piece in pieces if piece.change != "removed") == two
    assert all(piece.text for piece in pieces)
    assert (one == two) == all(piece.change == "kept" for piece in pieces)


def test_words_change_whole() -> None:
    assert difference("A quick fox.", "A slow fox!") == [
        Piece("kept", "A "),
        Piece("removed", "quick"),
        Piece("added", "slow"),
        Piece("kept", " fox"),
        Piece("removed", "."),
        Piece("added", "!"),
    ]


def test_scripts_without_spaces_change_by_character() -> None:
    assert [piece.text for piece in difference("木は高い", "木が高い")] == ["木", "は", "が", "高い"]


def test_words_are_counted_between_blanks() -> None:
    assert [count_words(text) for text in ("", " ", "one", "one  two\nthree ")] == [0, 0, 1, 3]
