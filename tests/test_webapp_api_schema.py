"""The schema at /openapi.json is kept: by requests made from it, and by others bent out of it."""

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis import GenerationMode
from schemathesis.specs.openapi.checks import positive_data_acceptance

from tests.scripted import ScriptedBackend
from tests.serving import create_app, make_settings, serve

ROUTES = [
    ("GET", "/v1/models"),
    ("GET", "/v1/models/{model}"),
    ("POST", "/v1/chat/completions"),
    ("POST", "/v1/moderations"),
    ("POST", "/v1/feedback"),
    ("POST", "/v1/rankings"),
    ("DELETE", "/v1/rankings/{comparison_id}"),
    ("GET", "/health"),
    ("GET", "/chats/{conversation_id}/export"),
    ("GET", "/me/export"),
    ("GET", "/review/reviews.jsonl"),
    ("GET", "/review/actions.csv"),
]


KEY = "right"
# Some rules are beyond a schema, such as that the last message has to be the user's.
MORE_RULES = ("/v1/chat/completions", "/v1/feedback", "/v1/rankings")
# There is nothing in a request to these that could be wrong.
WITHOUT_INPUT = ("/v1/models", "/health", "/me/export", "/review/reviews.jsonl")
UNBENDABLE = (*WITHOUT_INPUT, "/v1/models/{model}")


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    flags = make_settings(tmp_path_factory.mktemp("schema"), api_key=KEY)
    with serve(create_app(flags, backend=ScriptedBackend())) as address:
        schema = schemathesis.openapi.from_url(f"{address}/openapi.json")
        schema.config.generation.with_security_parameters = False
        yield schema


def check_route(served, method, path, mode, max_examples):
    excluded = [positive_data_acceptance] if path in MORE_RULES else []

    @settings(
        max_examples=max_examples,
        derandomize=True,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(case=served[path][method].as_strategy(generation_mode=mode))
    def check(case):
        headers = {"Authorization": f"Bearer {KEY}"}
        case.call_and_validate(headers=headers, excluded_checks=excluded)

    check()


def test_these_are_all_routes(served):
    operations = [result.ok() for result in served.get_all_operations()]
    assert sorted((o.method.upper(), o.path) for o in operations) == sorted(ROUTES)


@pytest.mark.parametrize(("method", "path"), ROUTES)
def test_a_request_made_from_the_schema_gets_what_it_says(served, method, path):
    num_requests = 3 if path in WITHOUT_INPUT else 40
    check_route(served, method, path, GenerationMode.POSITIVE, num_requests)


@pytest.mark.parametrize(("method", "path"), [r for r in ROUTES if r[1] not in UNBENDABLE])
def test_a_request_bent_out_of_the_schema_is_refused_as_it_says(served, method, path):
    check_route(served, method, path, GenerationMode.NEGATIVE, 40)
