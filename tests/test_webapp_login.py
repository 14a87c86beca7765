"""Who may administer: whoever knows the password, is named, or sits at the machine itself."""

import re
from contextlib import ExitStack

import pytest
from fastapi import FastAPI, Request
from starlette.testclient import TestClient

from webapp.auth import Account, CookieKeys, Doorman
from webapp.login import (
    FORGET_AFTER_S,
    FREE_FAILURES,
    MAX_FORM_BYTES,
    MAX_WAITING,
    MOST_SLOWNESS,
    Attempts,
    router,
    safe_path,
)
from webapp.middleware import SameOrigin, SecurityHeaders, Visitors

KEY = CookieKeys(b"k" * 64)
HERE = "http://localhost:7860"


def make_app(doorman, *, delay_s=0, attempts=None):
    app = FastAPI()
    app.include_router(router(doorman, delay_s=delay_s, attempts=attempts))

    @app.get("/me")
    async def me(request: Request):
        identity = request.state.identity
        assert request.state.visitor_id == identity.id
        return {"id": identity.id, "name": identity.name, "is_admin": identity.is_admin}

    app.add_middleware(Visitors, doorman=doorman)
    app.add_middleware(SameOrigin, allowed_origins=())
    app.add_middleware(SecurityHeaders)
    return app


def client(doorman, *, base_url=HERE, address="127.0.0.1", attempts=None):
    app = make_app(doorman, attempts=attempts)
    return TestClient(app, base_url=base_url, client=(address, 5))


def me(http):
    return http.get("/me").json()


def log_in(http, password="right", **fields):
    data = {"password": password, **fields}
    return http.post("/login", data=data, follow_redirects=False)


def test_a_newcomer_is_somebody_and_stays_the_same_one():
    http = client(Doorman(KEY))
    first = me(http)
    assert len(first["id"]) == 32 and first["name"] == ""
    assert me(http)["id"] == first["id"]


def test_without_any_setting_this_machine_alone_administers():
    assert me(client(Doorman(KEY)))["is_admin"]
    assert not me(client(Doorman(KEY), address="203.0.113.9"))["is_admin"]
    assert not me(client(Doorman(KEY), base_url="http://evil.example"))["is_admin"]


@pytest.mark.parametrize("name", ["x-forwarded-for", "forwarded", "x-real-ip", "x-forwarded-host"])
def test_what_comes_through_a_proxy_never_administers_by_being_local(name):
    http = client(Doorman(KEY))
    assert not http.get("/me", headers={name: "127.0.0.1"}).json()["is_admin"]


@pytest.mark.parametrize("settings", [{"admin_password": "right"}, {"admins": ("ada",)}])
def test_with_a_setting_being_local_is_not_enough(settings):
    assert not me(client(Doorman(KEY, **settings)))["is_admin"]


def test_the_password_makes_an_administrator_until_signing_out():
    http = client(Doorman(KEY, admin_password="right"), address="203.0.113.9")
    visitor = me(http)["id"]
    response = log_in(http, next="/admin?tab=models")
    assert (response.status_code, response.headers["location"]) == (303, "/admin?tab=models")
    assert me(http) == {"id": visitor, "name": "", "is_admin": True}
    assert http.post("/logout", follow_redirects=False).status_code == 303
    assert me(http) == {"id": visitor, "name": "", "is_admin": False}


@pytest.mark.parametrize("password", ["", "wrong", "right ", "Right", "é", "\ud800", "x" * 10_000])
def test_another_password_is_refused(password):
    http = client(Doorman(KEY, admin_password="right"))
    body = b"password=" + password.encode(errors="surrogatepass").replace(b" ", b"%20")
    response = http.post("/login", content=body, follow_redirects=False)
    assert response.status_code == 403
    assert "set-cookie" not in response.headers or "palaver_admin" not in str(response.headers)
    assert not me(http)["is_admin"]


def test_without_a_password_nothing_lets_in():
    http = client(Doorman(KEY), address="203.0.113.9")
    assert log_in(http, password="").status_code == 403
    assert not me(http)["is_admin"]


def test_a_changed_password_ends_what_the_old_one_opened():
    doorman = Doorman(KEY, admin_password="old")
    value = doorman.admin_header(is_https=False).split(";")[0]
    changed = client(Doorman(KEY, admin_password="new"))
    assert not changed.get("/me", headers={"cookie": value}).json()["is_admin"]
    same = client(doorman)
    assert same.get("/me", headers={"cookie": value}).json()["is_admin"]


def test_a_cookie_for_one_purpose_is_none_for_another():
    doorman = Doorman(KEY, admin_password="right", can_sign_in=True)
    account = doorman.account_header(Account("1", "ada"), is_https=False)
    value = account.split(";")[0].partition("=")[2]
    for name in ("palaver_admin", "palaver_visitor"):
        http = client(doorman)
        found = http.get("/me", headers={"cookie": f"{name}={value}"}).json()
        assert not found["is_admin"] and found["name"] == "" and found["id"] != "hf:1"


@pytest.mark.parametrize("admins", [("ada",), ("ADA",), ("hf:1",), ("bob", "ada")])
def test_an_account_that_is_named_administers(admins):
    doorman = Doorman(KEY, admins=admins, can_sign_in=True)
    value = doorman.account_header(Account("1", "ada"), is_https=False).split(";")[0]
    found = client(doorman, address="203.0.113.9").get("/me", headers={"cookie": value}).json()
    assert found == {"id": "hf:1", "name": "ada", "is_admin": True}


def test_an_account_that_is_not_named_is_a_person_like_others():
    doorman = Doorman(KEY, admins=("bob", "1"), can_sign_in=True)
    value = doorman.account_header(Account("1", "ada"), is_https=False).split(";")[0]
    assert not client(doorman).get("/me", headers={"cookie": value}).json()["is_admin"]


def test_where_nobody_can_sign_in_an_accounts_cookie_counts_for_nothing():
    value = Doorman(KEY, can_sign_in=True).account_header(Account("1", "ada"), is_https=False)
    http = client(Doorman(KEY, admins=("ada",)))
    found = http.get("/me", headers={"cookie": value.split(";")[0]}).json()
    assert found["name"] == "" and not found["is_admin"]


@pytest.mark.parametrize(
    "target",
    [
        "https://evil.example",
        "//evil.example",
        "/\\evil.example",
        "\\\\evil.example",
        "/\t/evil.example",
        "/\n/evil.example",
        "javascript:alert(1)",
        "evil.example",
        "",
        "/é",
    ],
)
def test_no_sign_in_leads_to_another_site(target):
    http = client(Doorman(KEY, admin_password="right"))
    assert safe_path(target) == "/"
    assert log_in(http, next=target).headers["location"] == "/"


def test_each_wrong_password_makes_the_next_attempt_of_its_source_slower():
    now = [0.0]
    attempts = Attempts(clock=lambda: now[0])
    seen = []
    for _ in range(FREE_FAILURES + 8):
        seen.append(attempts.slowness("a"))
        attempts.count_failure("a")
    assert seen == [1] * (FREE_FAILURES + 1) + [2, 4, 8, 16, 32, MOST_SLOWNESS, MOST_SLOWNESS]
    assert attempts.slowness("b") == 1
    now[0] = FORGET_AFTER_S
    assert attempts.slowness("a") == 1


def test_nobody_is_shut_out_by_the_wrong_passwords_of_others_at_the_same_address():
    http = client(Doorman(KEY, admin_password="right"))
    for number in range(30):
        assert log_in(http, password=f"guess {number}").status_code == 403
    assert log_in(http).status_code == 303
    assert me(http)["is_admin"]


def test_a_browser_that_knew_the_password_is_not_slowed_down_by_its_neighbours():
    slept = []
    doorman = Doorman(KEY, admin_password="right")
    app = make_app(doorman)
    http = TestClient(app, base_url=HERE)
    assert log_in(http).status_code == 303
    http.post("/logout")

    async def note(seconds):
        slept.append(seconds)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("webapp.login.asyncio.sleep", note)
        app = make_app(doorman, delay_s=1)
        stranger = TestClient(app, base_url=HERE)
        for _ in range(10):
            log_in(stranger, password="wrong")
        assert slept[-1] == 16
        known = TestClient(app, base_url=HERE, cookies=dict(http.cookies))
        assert log_in(known).status_code == 303 and slept[-1] == 1
        # Its cookie is no free pass for guessing.
        for _ in range(10):
            log_in(TestClient(app, base_url=HERE, cookies=dict(http.cookies)), password="wrong")
        assert slept[-1] == 16


async def test_only_a_few_attempts_of_one_source_wait_at_once_and_the_rest_is_told():
    attempts = Attempts()
    with ExitStack() as stack:
        heard = [stack.enter_context(attempts.waiting("a")) for _ in range(MAX_WAITING + 2)]
        assert heard == [True] * MAX_WAITING + [False] * 2
        assert stack.enter_context(attempts.waiting("b"))
    with attempts.waiting("a") as is_heard:
        assert is_heard
    assert not attempts._num_waiting
    http = client(Doorman(KEY, admin_password="right"), attempts=attempts)
    with ExitStack() as stack:
        for _ in range(MAX_WAITING):
            stack.enter_context(attempts.waiting("address 127.0.0.1"))
        refused = log_in(http)
    assert refused.status_code == 429 and int(refused.headers["retry-after"]) > 0


def test_a_form_larger_than_any_password_is_not_read():
    http = client(Doorman(KEY, admin_password="right"))
    assert log_in(http, padding="x" * MAX_FORM_BYTES).status_code == 413
    assert not me(http)["is_admin"]


def test_the_right_password_clears_earlier_mistakes():
    http = client(Doorman(KEY, admin_password="right"))
    for _ in range(3):
        for _ in range(FREE_FAILURES):
            assert log_in(http, password="wrong").status_code == 403
        assert log_in(http).status_code == 303


def test_very_many_addresses_cost_no_memory_without_end(monkeypatch):
    monkeypatch.setattr("webapp.login.MAX_SOURCES", 10)
    attempts = Attempts()
    for number in range(1000):
        attempts.count_failure(str(number))
    assert len(attempts._failures) == 10


def test_another_sites_form_can_neither_sign_in_nor_out():
    http = client(Doorman(KEY, admin_password="right"))
    for path in ("/login", "/logout"):
        response = http.post(
            path, data={"password": "right"}, headers={"origin": "https://evil.example"}
        )
        assert response.status_code == 403


def test_the_page_works_without_scripts_and_shows_no_secret():
    http = client(Doorman(KEY, admin_password="right"))
    page = http.get("/login", params={"next": '/"><script>alert(1)</script>'})
    assert "<script" not in page.text and "right" not in page.text
    assert 'method="post" action="/login"' in page.text
    assert page.headers["cache-control"] == "no-store"
    assert "width=device-width" in page.text and "color-scheme: light dark" in page.text
    assert re.search(r'<label for="password">.*<input id="password"', page.text)


def test_the_page_of_somebody_signed_in_offers_to_sign_out():
    doorman = Doorman(KEY, can_sign_in=True)
    value = doorman.account_header(Account("1", "<b>ada"), is_https=False).split(";")[0]
    page = client(doorman, address="203.0.113.9").get("/login", headers={"cookie": value}).text
    assert "&lt;b&gt;ada" in page and 'action="/logout"' in page


def test_in_a_frame_the_cookies_are_made_to_work_there():
    doorman = Doorman(KEY, admin_password="right", in_frame=True)
    assert "SameSite=None; Secure" in doorman.admin_header(is_https=False)
    assert "Partitioned" not in doorman.admin_header(is_https=False)
    assert "SameSite=None; Secure; Partitioned" in doorman.visitors.header("a", is_https=False)
    plain = Doorman(KEY, admin_password="right").admin_header(is_https=True)
    assert "HttpOnly; SameSite=Lax; Secure" in plain


def test_the_password_and_the_key_are_in_no_representation():
    assert "right" not in repr(Doorman(KEY, admin_password="right"))
    assert "kkk" not in repr(Doorman(KEY))


def test_the_way_to_hugging_face_leads_out_of_a_frame_with_the_chats():
    doorman = Doorman(KEY, can_sign_in=True, in_frame=True)
    http = client(doorman, base_url="https://space.example", address="203.0.113.9")
    visitor = me(http)["id"]
    page = http.get("/login").text
    assert 'action="/oauth/huggingface/login" target="_blank"' in page
    token = re.search(r'name="visitor" value="([^"]+)"', page)[1]
    assert doorman.handover.open(token) == visitor
    plain = client(Doorman(KEY, can_sign_in=True), address="203.0.113.9").get("/login").text
    assert 'href="/oauth/huggingface/login"' in plain and 'name="visitor"' not in plain
