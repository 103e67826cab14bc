"""Words that were read in a wrong encoding are seldom words."""

import pytest

from kardus.support.tabular.readings import has_western_words, reads_as_words, words_beyond_ascii


@pytest.mark.parametrize(
    "text", ["Crème 1½ €", "A-1,Thé™,“Œuf”", "Чай, Tea", "お茶とMilk、水", "L\u2019été d'Anaïs", "ชาเขียว"]
)
def test_words_of_one_script_with_signs_at_their_ends_are_words(text: str) -> None:
    assert reads_as_words(text)


@pytest.mark.parametrize("text", ["ThÈ", "hoÌa", "Caf¦s", "Crиme", "T\x85a", "Мол\ufffeк", "\u2014йx¤й"])
def test_a_capital_within_a_sign_within_and_two_scripts_are_none(text: str) -> None:
    assert not reads_as_words(text)


def test_a_western_word_has_letters_of_one_language() -> None:
    assert has_western_words("Crème Müsli Señorita Größe Smørrebrød ASCII")
    assert not has_western_words("hoøká")
    assert words_beyond_ascii("A-1,Müsli,3\nA-2,Tea,Müsli") == {"Müsli"}
