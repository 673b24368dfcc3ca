"""Names are what they look like, whoever gives them to whatever."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.web.names import clean


@pytest.mark.parametrize(
    "name",
    [
        "Ada",
        "O'Brien",
        "O’Brien",
        "Jean-Paul",
        "Zoë",
        "Ţepeş",
        "D. E. Knuth",
        "ʻOkina",
        "Пётр Ильич",
        "Ελλάδα",
        "محمد",
        "עברית",
        "नमस्ते दुनिया",
        "ไทย",
        "ქართული",
        "渡辺 Tシャツ",
        "A社",
        "한글 Lab",
        "β-test",
        "RLHF-проект",
        "Qwen2.5-0.5B",
        "a" * 100,
        "🇩🇪 team",
        "C++ & C#",
        "42",
        "!",
        "Сара-Рая",
        "naïve_Ünder",
    ],
)
def test_people_and_things_may_be_called_so(name):
    assert clean(name) == unicodedata.normalize("NFKC", name)


@pytest.mark.parametrize(
    ("given_name", "stored"),
    [
        ("  Ada \u00a0 L.\u3000", "Ada L."),
        ("Zoe\u0308", "Zoë"),
        ("ﬁx", "fix"),
        ("Ａｄａ", "Ada"),
        ("𝒜da", "Ada"),
        ("H₂O", "H2O"),
        ("❤\ufe0f team", "❤ team"),
    ],
)
def test_a_name_has_one_spelling(given_name, stored):
    assert clean(given_name) == stored


@pytest.mark.parametrize(
    "character",
    [
        "\x00",
        "\x1b",
        "\x7f",
        "\x85",
        "\u00ad",
        "\u034f",
        "\u061c",
        "\u115f",
        "\u17b4",
        "\u180e",
        "\u200b",
        "\u200d",
        "\u200e",
        "\u2028",
        "\u202e",
        "\u2060",
        "\u2066",
        "\u2800",
        "\u3164",
        "\ud800",
        "\ue000",
        "\ufdd0",
        "\ufeff",
        "\uffa0",
        "\ufff9",
        "\uffff",
        "\U000e0041",
        "\U000e0100",
        "\U000f0000",
        "\U0010ffff",
        "\n",
        "\t",
        "\r",
    ],
)
def test_nobody_hides_a_character_in_a_name(character):
    with pytest.raises(ValueError, match=rf"cannot be seen \(U\+(?:{ord(character):04X}|1160)\)"):
        clean(f"Ad{character}a")


@pytest.mark.parametrize(
    ("name", "letter"),
    [
        ("Аda", "А"),
        ("pаypal", "а"),
        ("О'Brien", "О"),
        ("Ada.Р.A", "Р"),
        ("Ada_Р", "Р"),
        ("Αda", "Α"),
        ("Ꭺda", "Ꭺ"),
        ("ꓮda", "ꓮ"),
        ("Δt", "Δ"),
        ("Adа Lovelace", "а"),
        ("GPT-4о", "о"),
        ("Jean-Раu", "u"),
        ("Ада Лοвлейс", "ο"),
        ("Adа\u0301", "а"),
        ("Ada\u00b7а", "а"),
    ],
)
def test_no_word_imitates_another_script(name, letter):
    with pytest.raises(ValueError, match=f"mixes letters of different scripts: “{letter}” is"):
        clean(name)


@pytest.mark.parametrize("name", ["", "  ", "\u00a0", "\ufe0f", "\u3000\n"])
def test_a_name_says_something(name):
    with pytest.raises(ValueError, match="This is needed"):
        clean(name)


@pytest.mark.parametrize("name", ["a" * 101, "ﷺ" * 40, "a" * 10**6, "\u200b" * 10**6, " " * 401 + "a"])
def test_a_name_is_short(name):
    with pytest.raises(ValueError, match="at most 100 characters"):
        clean(name)


@pytest.mark.parametrize("name", ["a" + "\u035b" * 5, "\u0301a", "a \u0301b", "-\u0301"])
def test_accents_stand_on_letters_and_not_in_towers(name):
    with pytest.raises(ValueError, match="accents"):
        clean(name)


@given(st.text(max_size=120))
def test_whatever_is_taken_is_taken_again_just_so(text):
    try:
        name = clean(text)
    except ValueError:
        return
    assert clean(name) == name
    assert 1 <= len(name) <= 100
    assert not any(unicodedata.category(letter) in ("Cc", "Cf", "Cs", "Co", "Zl", "Zp") for letter in name)
    name.encode()


@pytest.mark.parametrize("name", ["Proj\u200bect", "Рroject", "\u202etcejorp", "x\ue000"])
def test_every_place_where_a_person_names_something(as_, cast, client, session, name):
    from app.web.signing import digest
    from tests import factories

    base = f"/projects/{cast.project.id}"
    factories.invitation(session, cast.project, cast.manager, token_hash=digest("open"))
    refused = [
        as_("manager").submit(f"{base}/settings/name", name=name),
        as_("manager").submit("/projects/new", name=name, guidelines="", base_model="tiny:0"),
        as_("manager").submit("/account", name=name, email=cast.manager.email),
        as_("manager").submit("/account/tokens", token_name=name, scopes="read", expires="7"),
        as_("anonymous").submit(
            "/invitations/open", name=name, email="new@example.org", password="correct horse battery"
        ),
    ]
    for answer in refused:
        assert (answer.status_code, 'class="error"' in answer.text) == (422, True)
    header = client.bearer(cast.admin)
    assert client.patch(f"/api/v1{base}", json={"name": name}, headers=header).status_code == 422
    assert client.post("/api/v1/projects", json={"name": name}, headers=header).status_code == 422


def test_surrogates_come_by_json(client, cast):
    url, body = f"/api/v1/projects/{cast.project.id}", b'{"name": "\\ud800"}'
    headers = client.bearer(cast.manager) | {"Content-Type": "application/json"}
    assert client.patch(url, content=body, headers=headers).status_code == 422
