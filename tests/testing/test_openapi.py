"""The OpenAPI document: valid, whole, and true of the live fake, which schemathesis tries by it."""

import json
import os
import subprocess
import sys
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator

from flowflex_testing.fake import FakeFlowFlex
from flowflex_testing.openapi import BESIDE, document
from flowflex_testing.rules import NOT_MODELLED, RULES
from tests.testing.caller import Caller
from tests.testing.rule_examples import EXAMPLES

DOCUMENT = document("https://api.example.test", "https://storage.example.test")
OPERATIONS = {
    operation["operationId"]: operation
    for path in DOCUMENT["paths"].values()
    for method, operation in path.items()
    if method != "servers"
}
OPERATION_IDS: dict[str | None, str] = {"upload-url": "createUploadUrl", "event": "sendEvent", "put": "putFile"}
PLACES = {"createUploadUrl": ("api", "upload-url"), "sendEvent": ("api", "event"), "putFile": ("put",)}


def rules_of(operation_id: str):
    return [
        rule for rule in RULES.values() if rule.id not in BESIDE and rule.id.partition(".")[0] in PLACES[operation_id]
    ]


def test_it_is_valid_openapi_and_plain_json():
    """It keeps to OpenAPI 3.1, its schemas to JSON Schema 2020-12, and it can be served."""
    OpenAPIV31SpecValidator(DOCUMENT).validate()
    assert json.loads(json.dumps(DOCUMENT)) == DOCUMENT


def test_api_and_storage_are_two_servers():
    """The two operations of the API are at its origin, and the PUT at that of storage, without credentials."""
    assert [server["url"] for server in DOCUMENT["servers"]] == ["https://api.example.test"]
    (storage,) = [path for path in DOCUMENT["paths"].values() if "put" in path]
    assert [server["url"] for server in storage["servers"]] == ["https://storage.example.test"]
    assert storage["put"]["security"] == []
    assert DOCUMENT["security"] == [{"basic": []}]


@pytest.mark.parametrize("operation_id", PLACES)
def test_every_rule_is_there_with_its_status_code_and_headers(operation_id):
    """An operation has exactly the statuses of its rules; each response tells its rules, codes and headers."""
    responses = OPERATIONS[operation_id]["responses"]
    rules = rules_of(operation_id)
    assert {*responses} == {str(rule.status) for rule in rules}
    for rule in rules:
        response = responses[str(rule.status)]
        assert f"- `{rule.id}`" in response["description"]
        assert rule.sentence in response["description"]
        assert rule.condition in response["description"]
        assert {*rule.headers, "x-request-id"} <= {*response["headers"]}
        assert rule.code == "" or f'"{rule.code}"' in json.dumps(response["content"])


def test_what_is_beside_the_operations_and_what_is_not_modelled_is_told():
    """Unknown paths, other methods and the limits of the fake are in the description."""
    for sentence in [*(RULES[rule_id].sentence for rule_id in BESIDE), *NOT_MODELLED.values()]:
        assert sentence in DOCUMENT["info"]["description"]
    assert {rule.id for operation_id in PLACES for rule in rules_of(operation_id)} | {*BESIDE} == {*RULES}


@pytest.mark.parametrize("dialects", [("s3", "error/code"), ("supabase", "message/name")], ids="-".join)
@pytest.mark.parametrize("rule_id", [rule.id for rule in RULES.values() if rule.code and rule.id not in BESIDE])
def test_a_refusal_in_every_dialect_is_one_that_the_document_knows(rule_id, dialects):
    """Status, media type and JSON fields of each refusal are in the document."""
    options = dict(zip(("storage_dialect", "api_dialect"), dialects, strict=True))
    caller = Caller(FakeFlowFlex(**{**options, **EXAMPLES[rule_id].options}))
    answer = EXAMPLES[rule_id].bad(caller)
    operation = OPERATIONS[OPERATION_IDS[caller.fake.requests[-1].operation]]
    media_type = answer.headers["Content-Type"]
    schema = operation["responses"][str(answer.status)]["content"][media_type]["schema"]
    if media_type == "application/json":
        assert {*answer.json()} in [{*shape["properties"]} for shape in schema.get("oneOf", [schema])]


@pytest.fixture
def fake():
    with FakeFlowFlex() as fake:
        yield fake


def schemathesis(fake: FakeFlowFlex, directory: Path, settings: str, *arguments: str) -> set[str | None]:
    """Try the fake by its document, always alike; return the rules that were met. What is found fails the test."""
    (directory / "openapi.json").write_text(json.dumps(document(fake.base_url, fake.storage_url)))
    (directory / "schemathesis.toml").write_text(settings)
    command = [str(Path(sys.executable).with_name("schemathesis")), "--config-file", "schemathesis.toml", "run"]
    command += [
        "openapi.json",
        "--checks",
        "all",
        "--seed",
        "1",
        "--max-examples",
        "25",
        "--generation-database",
        "none",
    ]
    # A busy machine is not to be taken for a slow schema.
    command += ["--suppress-health-check", "all", *arguments]
    before = len(fake.requests)
    surroundings = {**os.environ, "NO_PROXY": "*"}
    run = subprocess.run(
        command, cwd=directory, env=surroundings, capture_output=True, text=True, timeout=120, check=False
    )
    assert run.returncode == 0, run.stdout + run.stderr
    return {request.rule for request in fake.requests[before:]}


@pytest.mark.slow
def test_schemathesis_finds_the_api_to_be_as_the_document_says(fake, tmp_path):
    """Made from the document, good requests are taken, bad ones refused, and every reply is one that it tells of."""
    # 413 refuses what is too large. 422 refuses a good request for what came before it: its key was used.
    settings = f"""
        [parameters]
        "path.code" = "{fake.integration_code}"
        [checks]
        negative_data_rejection.expected-statuses = ["400", "401", "404", "405", "413", "415"]
        positive_data_acceptance.expected-statuses = ["2xx", "422"]
    """
    where = ["--url", fake.base_url, "--include-path-regex", "^/v1/", "--auth", f"{fake.api_key}:{fake.api_secret}"]
    met = schemathesis(fake, tmp_path, settings, *where)
    assert {"upload-url.issued", "event.accepted", "event.replay", "api.credentials", "api.method"} <= met


@pytest.mark.slow
def test_schemathesis_finds_storage_to_be_as_the_document_says(fake, tmp_path):
    """With a URL that was issued, files are stored, and what differs from it is refused as the document tells."""
    url = urlsplit(Caller(fake).upload_url(filename="a.txt", mime="text/plain", size=...).json()["uploadUrl"])
    _, _, tenant, asset, filename = url.path.split("/")
    query = dict(parse_qsl(url.query))
    settings = f"""
        [parameters]
        "path.tenant" = "{tenant}"
        "path.asset" = "{asset}"
        "path.filename" = "{filename}"
        "query.X-Expires" = "{query["X-Expires"]}"
        "query.X-Signature" = "{query["X-Signature"]}"
    """
    met = schemathesis(fake, tmp_path, settings, "--url", fake.storage_url, "--include-path-regex", "^/assets/")
    assert {"put.stored", "put.overwrite", "put.content-type", "storage.method", "storage.private"} <= met
