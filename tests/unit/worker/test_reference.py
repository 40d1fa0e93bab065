"""The page of the API's reference."""

import httpx

from llmlab.worker import reference

DOCUMENT = {
    "info": {"title": "Lab <1>", "version": "2"},
    "paths": {
        "/things/{id}": {
            "get": {
                "tags": ["things"],
                "summary": "One & only",
                "description": "Says <script>.",
                "parameters": [{"name": "id", "in": "path"}],
                "requestBody": {
                    "content": {"application/json": {"schema": {"$ref": "#/components/schemas/T"}}}
                },
                "responses": {"200": {"description": "ok"}},
            }
        }
    },
    "components": {"schemas": {"T": {"type": "object", "title": "Thing"}}},
}


def test_the_page_shows_each_route_and_what_it_takes():
    page = reference.page(DOCUMENT)
    assert "<code>/things/{id}</code> One &amp; only" in page
    assert "Parameters: id (path)" in page
    assert "&quot;title&quot;: &quot;Thing&quot;" in page


def test_text_of_the_document_stays_text():
    page = reference.page(DOCUMENT)
    assert "Lab &lt;1&gt; 2" in page
    assert "<script" not in page


async def test_it_needs_nothing_from_the_network(client: httpx.AsyncClient) -> None:
    answer = await client.get("/docs")
    assert "/v1/chat/completions" in answer.text
    assert "http" not in answer.text
    assert "default-src 'none'" in answer.headers["content-security-policy"]
