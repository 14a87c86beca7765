"""Signing in with Hugging Face, against a stand-in of it served for real."""

import re
from contextlib import contextmanager
from html import unescape
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from fastapi import FastAPI, Request
from starlette.testclient import TestClient

from tests.hub_stand_in import CLIENT_ID, CLIENT_SECRET
from webapp.auth import CookieKeys, Doorman
from webapp.hub.oauth import (
    CALLBACK,
    ENDPOINTS_LIFETIME_S,
    FLOW_COOKIE,
    LOGIN,
    LOGOUT,
    Provider,
    SignInFailed,
    router,
)
from webapp.login import MAX_FORM_BYTES, make_doorman
from webapp.middleware import SameOrigin, SecurityHeaders, Visitors
from webapp.settings import OAuthClient, Platform, read_platform, read_settings

SPACE = "https://ada-palaver.hf.space"
KEYS = CookieKeys(b"k" * 64)


@pytest.fixture
def provider(hub, hub_server):
    return hub_server[1]


def make_platform(provider, secret=CLIENT_SECRET):
    return Platform(
        space_id="ada/palaver",
        space_host="ada-palaver.hf.space",
        oauth=OAuthClient(CLIENT_ID, secret, "openid profile", provider),
    )


class Site:
    """The sign-in's routes on an application of their own, seen by one browser."""

    def __init__(self, platform, doorman=None):
        self.doorman = doorman or Doorman(KEYS, can_sign_in=True, in_frame=True)
        self.moved = []
        app = FastAPI()
        move = lambda from_id, to_id: self.moved.append((from_id, to_id))  # noqa: E731
        app.include_router(router(self.doorman, platform, move))

        @app.get("/me")
        async def me(request: Request):
            identity = request.state.identity
            return {"id": identity.id, "name": identity.name, "is_admin": identity.is_admin}

        app.add_middleware(Visitors, doorman=self.doorman)
        app.add_middleware(SameOrigin, allowed_origins=())
        app.add_middleware(SecurityHeaders)
        self.app = app
        self.http = self.browser()

    def browser(self):
        return TestClient(self.app, base_url=SPACE, follow_redirects=False)

    def me(self):
        return self.http.get("/me").json()


def authorize(response):
    """Say yes at the provider; return where it sends the browser back to."""
    back = httpx.get(response.headers["location"], follow_redirects=False)
    assert back.status_code == 307
    return back.headers["location"]


def sign_in(site, next_page="/"):
    begun = site.http.get(LOGIN, params={"next": next_page})
    assert begun.status_code == 302
    return site.http.get(authorize(begun))


def test_who_signs_in_is_that_account_and_keeps_their_chats(provider):
    site = Site(make_platform(provider))
    visitor = site.me()["id"]
    done = sign_in(site, "/?chat=1")
    assert (done.status_code, done.headers["location"]) == (303, "/?chat=1")
    assert site.me() == {"id": "hf:id-1", "name": "ada", "is_admin": False}
    assert site.moved == [(visitor, "hf:id-1")]


def test_the_account_stays_the_same_when_its_name_changes(provider, hub):
    site = Site(make_platform(provider))
    sign_in(site)
    hub.user["preferred_username"] = "ada-lovelace"
    sign_in(site)
    assert site.me() == {"id": "hf:id-1", "name": "ada-lovelace", "is_admin": False}


def test_signing_out_makes_a_visitor_again(provider):
    site = Site(make_platform(provider))
    visitor = site.me()["id"]
    sign_in(site)
    assert site.http.post(LOGOUT).status_code == 303
    assert site.me() == {"id": visitor, "name": "", "is_admin": False}


def test_a_link_signs_out_but_not_from_another_sites_page(provider):
    site = Site(make_platform(provider))
    sign_in(site)
    site.http.get(LOGOUT, headers={"sec-fetch-site": "cross-site"})
    assert site.me()["name"] == "ada"
    site.http.get(LOGOUT, headers={"sec-fetch-site": "same-origin"})
    assert site.me()["name"] == ""


def test_a_newcomer_without_chats_has_nothing_to_move(provider):
    site = Site(make_platform(provider))
    assert sign_in(site).status_code == 303
    assert site.me()["id"] == "hf:id-1"
    assert site.moved == []


def test_the_hub_is_told_the_spaces_own_address_whatever_the_host_header_says(provider):
    site = Site(make_platform(provider))
    begun = site.http.get(LOGIN, headers={"host": "evil.example"})
    query = parse_qs(urlsplit(begun.headers["location"]).query)
    assert query["redirect_uri"] == [SPACE + CALLBACK]
    assert query["scope"] == ["openid profile"]


@pytest.mark.parametrize("target", ["https://evil.example", "//evil.example", "/\\evil.example"])
def test_no_sign_in_leads_to_another_site(provider, target):
    assert sign_in(Site(make_platform(provider)), target).headers["location"] == "/"


def test_another_browser_cannot_finish_what_this_one_began(provider):
    site = Site(make_platform(provider))
    back = authorize(site.http.get(LOGIN))
    victim = site.browser()
    refused = victim.get(back)
    assert refused.status_code == 400 and "new tab" in refused.text
    assert "palaver_account" not in refused.headers.get("set-cookie", "")
    # Nor one that is in the middle of a sign-in of its own: the state is another one.
    victim.get(LOGIN)
    assert victim.get(back).status_code == 400


@pytest.mark.parametrize("query", ["", "?state=x", "?code=x", "?error=access_denied&state=y"])
def test_a_way_back_that_nobody_went_is_refused(provider, query):
    site = Site(make_platform(provider))
    site.http.get(LOGIN)
    assert site.http.get(CALLBACK + query).status_code == 400
    assert site.me()["name"] == ""


def test_a_code_serves_once(provider):
    site = Site(make_platform(provider))
    begun = site.http.get(LOGIN)
    flow = begun.headers["set-cookie"]
    back = authorize(begun)
    assert site.http.get(back).status_code == 303
    value = re.search(rf"{FLOW_COOKIE}=([^;]+)", flow)[1]
    again = site.browser().get(back, headers={"cookie": f"{FLOW_COOKIE}={value}"})
    assert again.status_code == 400


def test_cookies_that_do_not_stick_lead_to_the_spaces_own_address(provider):
    site = Site(make_platform(provider))
    back = authorize(site.http.get(LOGIN))
    site.http.cookies.clear()
    page = site.http.get(back)
    assert page.status_code == 400
    assert f'href="{SPACE}{LOGIN}" target="_blank"' in page.text


def test_a_wrong_secret_is_a_failed_sign_in_not_a_broken_page(provider):
    site = Site(make_platform(provider, secret="wrong"))
    done = sign_in(site)
    assert done.status_code == 400 and "didn't confirm" in done.text
    assert site.me()["name"] == ""


@pytest.mark.parametrize("user", [{}, {"sub": 7, "preferred_username": "x"}, {"sub": "1"}])
def test_an_account_without_id_or_name_is_refused(provider, hub, user):
    hub.user = user
    assert sign_in(Site(make_platform(provider))).status_code == 400


def test_a_provider_that_is_down_is_said(provider, hub):
    hub.is_down = True
    page = Site(make_platform(provider)).http.get(LOGIN)
    assert page.status_code == 400 and "can't be reached" in page.text


def num_lookups(hub):
    return sum("openid-configuration" in line for line in hub.requests)


async def test_the_provider_is_asked_for_its_addresses_once_an_hour(provider, hub):
    now = [0.0]
    asked = Provider(make_platform(provider).oauth, clock=lambda: now[0])
    for _ in range(3):
        assert (await asked.read_endpoints())["token"].startswith(provider)
    assert num_lookups(hub) == 1
    now[0] = ENDPOINTS_LIFETIME_S
    await asked.read_endpoints()
    assert num_lookups(hub) == 2
    hub.is_down = True
    now[0] = 2 * ENDPOINTS_LIFETIME_S
    with pytest.raises(SignInFailed):
        await asked.read_endpoints()


def test_whoever_only_opens_the_sign_in_costs_the_provider_nothing(provider, hub):
    site = Site(make_platform(provider))
    for _ in range(5):
        assert site.browser().get(LOGIN).status_code == 302
    assert num_lookups(hub) == 1


def test_a_large_form_is_not_read(provider):
    site = Site(make_platform(provider))
    token = site.doorman.handover.close("visitor")
    form = {"visitor": token, "padding": "x" * MAX_FORM_BYTES}
    assert site.http.post(LOGIN, data=form, headers={"origin": SPACE}).status_code == 413


@contextmanager
def handed_over(site, token):
    """Sign in out of a frame, as the form there does: in a new tab with cookies of its own."""
    tab = site.browser()
    page = tab.post(LOGIN, data={"visitor": token}, headers={"origin": SPACE})
    assert page.status_code == 200
    url = unescape(re.search(r'content="0;url=([^"]+)"', page.text)[1])
    done = tab.get(httpx.get(url).headers["location"])
    assert done.status_code == 303
    yield tab


def test_who_signs_in_out_of_a_frame_takes_the_chats_along(provider):
    site = Site(make_platform(provider))
    visitor = site.me()["id"]
    with handed_over(site, site.doorman.handover.close(visitor)) as tab:
        assert tab.get("/me").json()["id"] == "hf:id-1"
    assert site.moved == [(visitor, "hf:id-1")]


@pytest.mark.parametrize("token", ["", "visitor-1", "a.b.c"])
def test_a_forged_handover_moves_nothing(provider, token):
    site = Site(make_platform(provider))
    with handed_over(site, token):
        assert site.moved == []


def test_another_sites_page_cannot_hand_over_its_own_chats(provider):
    site = Site(make_platform(provider))
    token = site.doorman.handover.close("attacker")
    refused = site.http.post(
        LOGIN, data={"visitor": token}, headers={"origin": "https://evil.example"}
    )
    assert refused.status_code == 403


def test_the_author_of_a_space_administers_it(provider, monkeypatch, tmp_path):
    for name, value in {
        "SPACE_ID": "ada/palaver",
        "SPACE_HOST": "ada-palaver.hf.space, chat.example.com",
        "SPACE_AUTHOR_NAME": "Ada",
        "SPACE_CREATOR_USER_ID": "id-2",
        "OAUTH_CLIENT_ID": CLIENT_ID,
        "OAUTH_CLIENT_SECRET": CLIENT_SECRET,
        "OPENID_PROVIDER_URL": provider,
    }.items():
        monkeypatch.setenv(name, value)
    settings = read_settings([f"--data-dir={tmp_path}"])
    platform = read_platform()
    assert platform.url == SPACE
    site = Site(platform, make_doorman(settings, platform))
    sign_in(site)
    assert site.me()["is_admin"]
    named = make_doorman(read_settings(["--admins=bob", f"--data-dir={tmp_path}"]), platform)
    other = Site(platform, named)
    sign_in(other)
    assert not other.me()["is_admin"]


def test_the_creator_of_an_organisations_space_administers_it(provider, hub, tmp_path):
    hub.user = {"sub": "id-2", "preferred_username": "carla"}
    platform = Platform(
        author="the-org",
        creator_id="id-2",
        space_id="the-org/palaver",
        space_host="ada-palaver.hf.space",
        oauth=make_platform(provider).oauth,
    )
    doorman = make_doorman(read_settings([f"--data-dir={tmp_path}"]), platform)
    site = Site(platform, doorman)
    sign_in(site)
    assert site.me() == {"id": "hf:id-2", "name": "carla", "is_admin": True}


def test_no_secret_is_in_a_representation(provider):
    assert CLIENT_SECRET not in repr(make_platform(provider))
    assert "hf_x" not in repr(Platform(hub_token="hf_x"))
