"""GET /api/tasks?q=: words of titles and descriptions"""

from typing import Any
from urllib.parse import quote

import pytest
from django.db import connection

from taskproject.accounts.models import User
from tasks.models import Task
from tasks.models.search import holding_of, needed
from tests.conftest import BY, ApiClient, make_task
from tests.support.answers import as_json
from tests.support.rows import assert_refused, make_list


def hits(api: ApiClient, question: str, more: str = "") -> list[str]:
    """The titles of the tasks found, in the order in which they were made."""
    answer = api.send("GET", f"/api/tasks?sort=created&q={quote(question)}{more}")
    assert answer.status_code == 200, answer.content
    return [item["title"] for item in answer.json()["items"]]


def test_it_answers_with_the_whole_tasks_newest_first(
    api: ApiClient, alice: User, bob: User
) -> None:
    first = make_task(alice, "Buy oat milk")
    make_task(alice, "Buy bread")
    make_task(bob, "Buy milk")
    second = make_task(alice, "Cheese", description="No milk in it.", completed=True)

    answer = api.send("GET", "/api/tasks?q=milk")

    assert answer.status_code == 200
    assert answer.json() == {
        "items": [as_json(second), as_json(first)],
        "next_cursor": None,
    }


#: Text, and what does find it, and what does not.
TEXTS: list[tuple[str, list[str], list[str]]] = [
    # Case, prefixes and order
    (
        "Buy Oat Milk",
        ["milk", "MILK", "mil", "m", "oat buy", "milk oat buy", "b o m", "buy buy"],
        ["ilk", "milks", "oatmilk", "buy bread", "at"],
    ),
    # Accents, in either normalisation
    (
        "Crème brûlée",
        ["creme brulee", "crème", "BRÛLÉE", "cre\u0300me", "bru"],
        ["creme de", "rulee"],
    ),
    ("Cafe\u0301 Zoë", ["café", "cafe", "zoe", "ZOË"], ["caf e"]),
    ("naive", ["naïve"], []),
    # Letters that are several, or none of those they look like
    ("Straße fegen", ["straße", "strasse", "STRASSE", "STRAẞE", "strass"], ["strabe"]),
    ("Grosse Masse", ["große", "maße"], []),
    ("ısırgan", ["ısırgan", "ısı", "isirgan"], ["irgan"]),
    ("İstanbul", ["istanbul", "İSTANBUL", "ISTANBUL", "ıstanbul"], ["stanbul"]),
    ("ΟΔΥΣΣΕΥΣ", ["οδυσσευς", "Οδυσσεύς", "οδυσσευσ"], ["οδύσσειας"]),
    ("ﬁnal oﬃce", ["final", "office", "ﬁ"], ["nal"]),
    ("Ｆｕｌｌ ｗｉｄｔｈ", ["full", "width"], []),
    ("x² ½ Ⅷ", ["x2", "viii"], ["3"]),
    ("Пётр жарит", ["петр", "пётр", "ЖАР"], ["етр"]),
    # What is between words
    (
        "re-test the self-driving car",
        ["re-test", "re test", "test", "self-driving", "driving self"],
        ["retest", "selfdriving"],
    ),
    (
        "Write to ada.lovelace+list@mail.example.org",
        ["ada.lovelace@mail.example.org", "lovelace", "@example.org", "mail.exa"],
        ["ada.byron@mail.example.org", "ovelace"],
    ),
    (
        "See https://www.example.com/path/to?page=2#top",
        ["https://www.example.com/path", "example.com", "page=2", "#top", "www"],
        ["https://example.net", "page=3"],
    ),
    ("snake_case and camelCase", ["snake", "case", "snake_case", "camelc"], ["_cas_x"]),
    ("don't l'été rock'n'roll", ["don't", "don", "ete", "rock roll"], ["dont"]),
    ("C++ & C# / F#", ["c++", "c", "f#"], ["d#"]),
    ("a,b;c", ["a", "b", "c", "c a"], ["abc"]),
    ("tab\tand\nline\u2028end\u00a0x", ["tab", "line", "end", "x"], ["taband"]),
    # Numbers
    ("Invoice 2026-0042 of 1,250.00 EUR", ["2026-0042", "0042", "1,250", "20"], ["42"]),
    ("٣ apples", ["٣"], ["3 pears"]),
    # Emoji are no words, and keep none from being found
    ("\U0001f355Pizza\U0001f355 night \U0001f1f5\U0001f1f9", ["pizza", "night"], []),
    (
        "\U0001f468\u200d\U0001f469\u200d\U0001f467 family",
        ["family", "\U0001f355fam"],
        [],
    ),
    # Scripts without spaces: each character is a word
    ("明日は東京で会議", ["東京", "会議", "明日", "京", "会議 東京"], ["大阪", "京都"]),
    ("牛乳を買う", ["牛乳", "買う", "牛"], ["豆乳"]),
    ("ミルクを買う", ["ミルク", "買う ミルク"], ["パン", "みるく"]),
    ("iPhone15を充電", ["iphone15", "充電", "iphone"], ["phone"]),
    ("买牛奶和面包", ["牛奶", "面包", "奶"], ["豆浆"]),
    ("우유 사기", ["우유", "사기", "사"], ["두유"]),
    ("Wycieczka do Łodzi i Łódź", ["lodz", "łódź", "Lodzi"], ["odz"]),
    ("Bay tới Đà Nẵng", ["da nang", "đà nẵng", "ĐÀ"], ["nang da nong"]),
    ("Æbleskiver på Øen", ["aebleskiver", "oen", "på"], ["bleskiver"]),
    ("ซื้อ นม", ["นม"], []),
    ("ซื้อนมและไข่", ["นม", "น", "ไข่", "ซื้อ", "นมและไข่", "และ นม"], ["มน", "กาแฟ"]),
    ("ຊື້ນົມ", ["ນົມ", "ຊື້"], ["ມນ"]),
    ("ទិញទឹកដោះគោ", ["ទឹក", "គោ"], ["គរ"]),
    ("နို့ဝယ်ပါ", ["နို့", "ဝယ်"], ["ပဝ"]),
    ("दूध खरीदो", ["दूध", "दू"], ["द ध"]),
    ("कल तुम बोलो", ["तुम", "क ब"], ["किताब", "लो"]),
    ("किताब पढ़ो", ["किताब", "किता", "पढो"], ["कताब"]),
    ("חלב שחור", ["חלב", "שח"], ["לב"]),
    # Long words count up to their 64th letter
    ("x" * 64 + "yz", ["x" * 64 + "yz", "x" * 63, "x" * 64], ["x" * 62 + "y"]),
    ("w" * 200, ["w" * 200, "w" * 199, "w"], ["w" * 10 + "v"]),
    # Nothing in a question means anything to a query
    (
        'quote\'s "double" star* paren( NOT tasks',
        [
            "quote's",
            '"double"',
            "star*",
            "paren(",
            "NOT tasks",
            "tasks not",
            "sta* par",
        ],
        ["tasks NEAR", "NOT bread", "tasks OR bread", "- bread"],
    ),
    ("and or not near", ["and", "or", "not", "near", "AND OR NOT"], ["nor"]),
    (
        "back\\slash 'x':* | & ! <->",
        ["back\\slash", "x:*", "' | x", "x & back"],
        ["z | x"],
    ),
    ("{search} : a ^b", ["search", "search : a", "^b"], ["c ^b"]),
]


@pytest.mark.parametrize("member", ["title", "description"])
def test_it_finds_what_holds_all_words(
    api: ApiClient, alice: User, member: str
) -> None:
    make_task(alice, "Quokka")
    no_words = "\U0001f355"
    for text, yes, no in TEXTS:
        task = make_task(alice, **{"title": no_words, member: text})
        found = {"items": [as_json(task)], "next_cursor": None}

        for question in yes:
            answer = api.send("GET", f"/api/tasks?q={quote(question)}")
            assert (answer.status_code, answer.json()) == (200, found), question
        for question in no:
            assert hits(api, question) == [], question
        Task.one(alice.pk, task.pk).remove(BY)


def test_a_long_description_is_found_by_its_last_word(
    api: ApiClient, alice: User
) -> None:
    words = " ".join(f"w{number}" for number in range(1_500))
    make_task(alice, "Long", description=f"{words} needle")
    make_task(alice, "Longest", description="é" * 9_990 + " needle")

    assert hits(api, "needle") == ["Long", "Longest"]
    assert hits(api, "w1499 w0") == ["Long"]


# What becomes of a hit


@pytest.mark.parametrize(
    ("method", "body"),
    [
        ("PATCH", {"title": "Buy bread"}),
        ("PUT", {"title": "Buy bread"}),
        ("PATCH", {"title": "Buy bread", "completed": True}),
    ],
)
def test_an_edit_of_the_title_changes_what_finds_it(
    api: ApiClient, alice: User, method: str, body: Any
) -> None:
    task = make_task(alice, "Buy milk", description="oat")

    api.send(method, f"/api/tasks/{task.pk}", body)

    assert hits(api, "milk") == []
    assert hits(api, "bread") == ["Buy bread"]
    assert hits(api, "oat") == (["Buy bread"] if method == "PATCH" else [])


def test_other_changes_leave_what_finds_it(api: ApiClient, alice: User) -> None:
    task, other = make_task(alice, "Buy milk", tags=["a"]), make_task(alice, "Bread")
    path = f"/api/tasks/{task.pk}"

    for method, suffix, body in (
        ("POST", "/toggle", None),
        ("PATCH", "", {"priority": "high", "tags": ["b"]}),
        ("POST", "/move", {"after": other.pk}),
        ("PATCH", "", {"due_date": "2030-01-01"}),
        ("PATCH", "", {"list": make_list(alice).pk}),
    ):
        assert api.send(method, path + suffix, body).status_code == 200
        assert hits(api, "milk") == ["Buy milk"]


def test_what_is_in_the_trash_is_not_found_until_it_is_back(
    api: ApiClient, alice: User
) -> None:
    path = f"/api/tasks/{make_task(alice, 'Buy milk').pk}"

    api.send("DELETE", path)
    assert hits(api, "milk") == []

    api.send("POST", f"{path}/restore")
    assert hits(api, "milk") == ["Buy milk"]


@pytest.mark.parametrize("trashed", [False, True])
def test_what_is_deleted_for_good_leaves_the_index(
    api: ApiClient, alice: User, trashed: bool
) -> None:
    task, other = make_task(alice, "Buy milk"), make_task(alice, "Drink milk")
    if trashed:
        Task.objects.filter(pk=task.pk).trash(BY)

    api.send("DELETE", f"/api/tasks/{task.pk}?permanent=true")

    assert hits(api, "milk") == ["Drink milk"]
    assert hits(api, "buy") == []
    Task.objects.filter(pk=other.pk).remove(BY)
    assert hits(api, "milk") == []


# Whose words they are


def indexed_for(owner: User, *words: str) -> set[int]:
    """What the index of words has for an owner."""
    condition, question = holding_of(owner.pk, words)
    table, key = "tasks_task", "id"
    if connection.vendor == "sqlite":
        table, key = "tasks_words", "rowid"
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {key} FROM {table} WHERE {condition}", [question])
        return {key for (key,) in cursor.fetchall()}


def test_a_search_passes_over_no_words_of_others(
    api: ApiClient, alice: User, bob: User
) -> None:
    """However many there are: the index tells whose each word is."""
    mine = make_task(alice, "Buy milk", description="presentations")
    theirs = [make_task(bob, "Buy milk") for _ in range(3)]

    for word in ("b", "buy", "mil", "milk", "presenta", "presentat", "presentations"):
        assert indexed_for(alice, word) == {mine.pk}
    assert indexed_for(bob, "buy", "milk") == {task.pk for task in theirs}

    Task.objects.filter(pk=mine.pk).edit(BY, owner_id=bob.pk)
    assert indexed_for(alice, "buy") == set()
    assert mine.pk in indexed_for(bob, "buy", "presentations")

    Task.objects.all().remove(BY)
    assert indexed_for(bob, "b") == indexed_for(alice, "b") == set()


def test_nobody_finds_what_looks_like_a_word_of_an_owner(
    api: ApiClient, alice: User, bob: User
) -> None:
    """Each word of the index begins with the number of its owner."""
    for owner in (alice, bob):
        make_task(owner, f"{alice.pk:08x}xmilk {alice.pk}_milkshake {alice.pk}milk")

    assert hits(api, "mil") == [Task.objects.owned_by(alice.pk).get().title]
    assert hits(api, "milk") == hits(api, "milks")
    assert hits(api, "milkshakes") == hits(api, "xmilk") == []


# Refusals


THIRTY = [f"w{number}" for number in range(10, 40)]
WORDS = "Send 1 to 30 words of letters or digits."


@pytest.mark.parametrize(
    ("question", "code", "detail"),
    [
        ("", "too_short", None),
        (" ", "words", WORDS),
        ("!?", "words", WORDS),
        ("_", "words", WORDS),
        ("\U0001f355", "words", WORDS),
        ("\u0301", "words", WORDS),
        (" ".join(THIRTY) + " x", "words", WORDS),
        (
            "東京都千代田区丸の内一丁目九番一号東京駅構内地下一階南通路東側",
            "words",
            WORDS,
        ),
        ("a\x00", "nul_character", "Remove the NUL character (\\u0000)."),
        ("x" * 201, "too_long", "Send at most 200 characters."),
    ],
)
def test_it_refuses_what_has_no_words_or_too_many(
    api: ApiClient, question: str, code: str, detail: str | None
) -> None:
    answer = api.send("GET", f"/api/tasks?q={quote(question)}")

    assert_refused(answer, "/api/tasks", "/q", code, detail, "query")


def test_thirty_words_are_not_too_many(api: ApiClient, alice: User) -> None:
    make_task(alice, " ".join(THIRTY))
    make_task(alice, " ".join(THIRTY[:-1]))

    assert hits(api, " ".join(THIRTY[::-1])) == [" ".join(THIRTY)]


@pytest.mark.parametrize(
    "address",
    [
        "Ada Lovelace, c/o Example Ltd, Unit 4 b, 12-14 St James's Sq., London SW1Y 4LB",
        "東京都千代田区丸の内一丁目九番一号",
        "中国北京市海淀区中关村大街27号",
    ],
)
def test_a_pasted_address_finds_its_task(
    api: ApiClient, alice: User, address: str
) -> None:
    make_task(alice, "Write", description=f"To {address}.")
    make_task(alice, "Write", description=f"To {address[:-1]}, {address[0]}.")

    assert hits(api, address) == ["Write"]


def test_words_that_say_the_same_are_one(api: ApiClient, alice: User) -> None:
    make_task(alice, "Buy milk")

    assert needed(["b", "buy", "mil", "buy", "milk"]) == ["buy", "milk"]
    assert hits(api, "b bu buy buy mi milk milk") == ["Buy milk"]
    assert hits(api, "b bu buy buys") == []
