"""No first page is taken for the whole answer, in whatever words an API says that there is more."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.warehouse.connectors.sync.test_sources import STOCK, lines_of, settings_of
from tests.warehouse.connectors.sync.wms import HTTP, Web, pages_of, web
from warehouse.connectors.sync.settings import make_source
from warehouse.connectors.sync.source import SourceError, StockSource

ROWS = pages_of(STOCK)["/quants"]["items"]
PARTS: Mapping[str, Mapping[str, Any]] = {
    "Django REST": {"count": 319, "next": "http://x/?page=2", "previous": None},
    "OData 4": {"@odata.nextLink": "http://x/$skip=2"},
    "OData 3": {"odata.nextLink": "?$skiptoken=2"},
    "OData 2": {"d": {"__next": "http://x/"}},
    "OData's count": {"@odata.count": 319},
    "HAL": {"_links": {"self": {"href": "/a"}, "next": {"href": "/b"}}},
    "HAL's page": {"page": {"size": 20, "totalElements": 319, "totalPages": 16, "number": 0}},
    "JSON:API": {"links": {"next": "/b"}},
    "JSON:API 1.1": {"links": {"next": {"href": "/b", "meta": {}}}},
    "JSON:API's total": {"meta": {"page": {"total": 319}}},
    "FHIR": {"link": [{"relation": "self", "url": "/a"}, {"relation": "next", "url": "/b"}]},
    "Oracle": {"hasMore": True, "links": [{"rel": "self", "href": "/a"}]},
    "Oracle's link": {"links": [{"rel": "next", "href": "/b"}]},
    "Spring": {"last": False, "first": True, "number": 0},
    "Spring's pages": {"totalPages": 2, "number": 0},
    "Spring's elements": {"totalElements": 3, "size": 2},
    "Laravel": {"current_page": 1, "last_page": 16, "next_page_url": None},
    "Laravel's address": {"next_page_url": "http://x/?page=2"},
    "Stripe": {"has_more": True},
    "Google": {"nextPageToken": "CAUQAA"},
    "AWS": {"IsTruncated": True},
    "AWS' token": {"NextToken": "abc"},
    "Slack": {"response_metadata": {"next_cursor": "dXNlcjpVMEc5V0ZYTlo="}},
    "Twitter": {"meta": {"result_count": 2, "next_token": "b26v89c19zqg8o3f"}},
    "Relay": {"pageInfo": {"hasNextPage": True, "endCursor": "abc"}},
    "HubSpot": {"paging": {"next": {"after": "NTI1Cg%3D%3D", "link": "?after=NTI1"}}},
    "Salesforce": {"done": False, "totalSize": 3214, "nextRecordsUrl": "/services/data/query/01g"},
    "Kubernetes": {"metadata": {"continue": "ENCODED"}},
    "Jira": {"startAt": 0, "maxResults": 50, "total": 319},
    "Jira's flag": {"isLast": False},
    "Zoho": {"info": {"more_records": True}},
    "Airtable": {"offset": "itrXXXX/recXXXX"},
    "Square": {"cursor": "CURSOR"},
    "Elasticsearch": {"hits": {"total": {"value": 10000, "relation": "gte"}, "hits": []}},
    "Solr": {"response": {"numFound": 319, "start": 0}},
    "CKAN": {"result": {"count": 319}},
    "DataTables": {"recordsTotal": "319"},
    "OGC": {"numberMatched": 319, "numberReturned": 2},
    "a page's number": {"meta": {"next_page": 2}},
    "a full page": {"limit": 2, "offset": 0},
    "a full page of Spring's": {"pageable": {}, "size": 2},
    "Zoho Inventory": {"page_context": {"page": 1, "per_page": 200, "has_more_page": True}},
    "Hydra": {"hydra:totalItems": 319, "hydra:view": {"hydra:next": "/b"}},
    "Hydra's total": {"hydra:totalItems": 319},
    "Hydra's view": {"view": {"next": "/b"}},
    "an own name": {"stockPosition": {"nextToken": "z"}},
    "ArcGIS": {"exceededTransferLimit": True},
    "GBIF": {"endOfRecords": False, "count": None},
    "Kubernetes' rest": {"metadata": {"remainingItemCount": 317}},
    "a fraction": {"total": 319.0},
    "thousands": {"total": "1,250"},
    "a flag as a number": {"has_more": 1},
    "a flag as a letter": {"pagination": {"hasNext": "Y"}},
    "a flag as a word": {"isLast": "no"},
    "a number of more": {"remaining": 317},
}
WHOLES: Mapping[str, Mapping[str, Any]] = {
    "Django REST": {"count": 2, "next": None, "previous": None},
    "HAL": {"_links": {"self": {"href": "/a"}, "next": None}, "page": {"totalElements": 2, "totalPages": 1, "size": 2}},
    "HAL with no address": {"_links": {"next": {"href": None}}},
    "Spring": {"last": True, "first": True, "totalPages": 1, "totalElements": 2, "size": 2, "number": 0},
    "Laravel": {"current_page": 1, "last_page": 1, "next_page_url": None, "per_page": 2, "total": 2},
    "Stripe": {"has_more": False, "limit": 2},
    "Google": {"nextPageToken": ""},
    "Facebook": {"paging": {"cursors": {"before": "a", "after": "b"}}},
    "Relay": {"pageInfo": {"hasNextPage": False, "endCursor": "abc"}},
    "Salesforce": {"done": True, "totalSize": 2},
    "Jira": {"startAt": 0, "maxResults": 50, "total": 2},
    "words of other things": {"status": "ok", "total": 0, "last": "2026-03-01", "updated": 7, "offset": 0, "size": "L"},
    "a flag as a number": {"has_more": 0, "limit": 2},
    "Hydra": {"hydra:totalItems": 2, "hydra:view": {"@id": "/quants", "hydra:first": "/quants"}},
    "sums of cartons beside": {"summary": {"total": 500, "count": 500, "pages": 7}, "warehouse": {"size": 2}},
    "a page's rows": {"page_context": {"page": 1, "per_page": 200, "has_more_page": False}},
    "the last row's number": {"last": 0, "end": 0, "total": 2.0},
    "a total by product": {"totals": {"Tea": 500}, "stock": {"A/1": {"total": 500, "next": "x"}}},
}
HEADERS: Mapping[str, Mapping[str, str]] = {
    "a total": {"X-Total-Count": "319"},
    "GitLab": {"X-Next-Page": "2", "X-Total-Pages": "16"},
    "WordPress": {"X-WP-Total": "319", "X-WP-TotalPages": "32"},
    "Rails": {"Total": "319", "Per-Page": "20"},
    "ASP.NET": {"X-Pagination": '{"totalCount":319,"hasNext":true}'},
    "a range": {"Content-Range": "items 0-1/319"},
    "PostgREST": {"Content-Range": "0-1/319"},
    "a range that nobody can read": {"Content-Range": f"items 0-{'9' * 5000}/{'9' * 5000}"},
    "Cosmos DB": {"x-ms-continuation": "abc"},
    "no X": {"Next-Page": "2"},
    "a vendor's own": {"X-Acme-Total-Count": "319"},
}
WHOLE_HEADERS: Mapping[str, Mapping[str, str]] = {
    "a total": {"X-Total-Count": "2"},
    "GitLab": {"X-Next-Page": "", "X-Total-Pages": "1", "X-Per-Page": "2"},
    "a range": {"Content-Range": "items 0-1/2"},
    "PostgREST": {"Content-Range": "0-1/*"},
    "limits of other kinds": {"RateLimit-Limit": "2", "RateLimit-Remaining": "498", "X-Rate-Limit-Remaining": "9"},
    "limits of another kind": {"X-RateLimit-Limit": "2", "X-Request-Id": "7"},
}


@pytest.fixture
def server() -> Iterator[Web]:
    """A WMS with something in it."""
    with web() as state:
        state.pages |= pages_of(STOCK)
        yield state


def _source(folder: Path, server: Web, more: str = "", query: str = "") -> StockSource:
    keys = HTTP.format(url=server.url).replace("/quants", f"/quants{query}")
    return make_source(settings_of(folder, f'[source]\nkind = "http"\n{keys}{more}'))


def _refused(source: StockSource) -> str:
    with pytest.raises(SourceError) as refused:
        source.read()
    source.close()
    assert "\n" not in str(refused.value)
    return str(refused.value)


@pytest.mark.parametrize("more", PARTS.values(), ids=PARTS)
def test_a_body_that_says_that_there_is_more_is_no_whole_answer(
    more: Mapping[str, Any], tmp_path: Path, server: Web
) -> None:
    server.pages["/quants"] = {"items": ROWS, **more}
    said = _refused(_source(tmp_path, server))
    assert "/quants: says that there is more (" in said
    assert said.endswith("if it is all there is, set source.whole")
    assert set(lines_of(_source(tmp_path, server, "whole = true\n"))) == set(STOCK)


@pytest.mark.parametrize("more", WHOLES.values(), ids=WHOLES)
def test_a_body_that_says_that_it_is_all_is_taken(more: Mapping[str, Any], tmp_path: Path, server: Web) -> None:
    server.pages["/quants"] = {"items": ROWS, **more}
    assert lines_of(_source(tmp_path, server))["A/1"].sku == "Tea"


@pytest.mark.parametrize("headers", HEADERS.values(), ids=HEADERS)
def test_headers_that_say_that_there_is_more_are_heard(headers: dict[str, str], tmp_path: Path, server: Web) -> None:
    server.headers["/quants"] = headers
    assert "/quants: says that there is more (" in _refused(_source(tmp_path, server))


@pytest.mark.parametrize("headers", WHOLE_HEADERS.values(), ids=WHOLE_HEADERS)
def test_headers_of_a_whole_answer_are_no_obstacle(headers: dict[str, str], tmp_path: Path, server: Web) -> None:
    server.headers["/quants"] = headers
    assert lines_of(_source(tmp_path, server))["A/1"].sku == "Tea"


@pytest.mark.parametrize(
    "link",
    [
        '</more>; rel="next"',
        "</more>; rel=next",
        '</more>; REL="Next"',
        '</more>; rel="next last"',
        '</first>; rel="first", </more>; rel="next"; title="the rest"',
    ],
)
def test_a_link_to_the_next_page_is_followed_however_it_is_written(link: str, tmp_path: Path, server: Web) -> None:
    server.headers["/quants"] = {"Link": link}
    server.pages["/more"] = {"items": [{"at": "A-2", "item": "Juice", "n": 4}]}
    assert lines_of(_source(tmp_path, server))["A-2"].sku == "Juice"


def test_a_token_is_followed_by_an_expression_that_makes_an_address_of_it(tmp_path: Path, server: Web) -> None:
    server.pages["/quants"]["nextPageToken"] = "CAUQAA"
    server.pages["/quants?token=CAUQAA"] = {"items": [{"at": "A-2", "item": "Juice", "n": 4}], "nextPageToken": ""}
    following = "following = \"nextPageToken && join('', ['?token=', nextPageToken])\"\n"
    assert lines_of(_source(tmp_path, server, following))["A-2"].sku == "Juice"


def test_an_expression_that_finds_no_page_where_there_is_one_is_found_out(tmp_path: Path, server: Web) -> None:
    server.pages["/quants"]["nextLink"] = "/more"
    assert "('nextLink' is '/more')" in _refused(_source(tmp_path, server, 'following = "nextlink"\n'))


def test_totals_are_of_all_pages_and_the_last_one_may_be_short(tmp_path: Path, server: Web) -> None:
    server.pages["/quants"] |= {"total": 3, "next": "/more", "limit": 2, "totalPages": 2}
    last = {"items": [{"at": "A-2", "item": "Juice", "n": 4}], "total": 3, "next": None, "totalPages": 2, "page": 2}
    server.pages["/more"] = last
    assert lines_of(_source(tmp_path, server, 'following = "next"\n'))["A-2"].sku == "Juice"
    server.pages["/more"] = last | {"hasMore": True}
    assert "('hasMore' is true)" in _refused(_source(tmp_path, server, 'following = "next"\n'))


@pytest.mark.parametrize("query", ["?limit=2", "?page=1&per_page=2", "?$top=2", "?pageSize=2&page=0"])
def test_as_many_rows_as_were_asked_for_may_not_be_all(query: str, tmp_path: Path, server: Web) -> None:
    server.pages[f"/quants{query}"] = {"items": ROWS}
    assert "it has 2 rows, as many as '" in _refused(_source(tmp_path, server, query=query))
    server.pages[f"/quants{query}"] = {"items": ROWS, "total": 2}
    assert lines_of(_source(tmp_path, server, query=query))["A/1"].sku == "Tea"


def test_a_partial_answer_is_a_part(tmp_path: Path, server: Web) -> None:
    server.status = 206
    assert "its status is 206" in _refused(_source(tmp_path, server))


def test_rows_that_an_expression_leaves_out_are_rows_of_the_answer(tmp_path: Path, server: Web) -> None:
    server.pages["/quants"] = {"items": [*ROWS, {"at": "A-2", "item": "Juice", "n": 0}], "total": 3}
    keys = HTTP.format(url=server.url).replace("items[].{location: at", "items[?n > `0`].{location: at")
    source = make_source(settings_of(tmp_path, f'[source]\nkind = "http"\n{keys}'))
    assert lines_of(source)["A-2"].sku is None


def test_two_questions_at_one_address_are_two_answers(tmp_path: Path, server: Web) -> None:
    server.pages["/both"] = {**pages_of(STOCK)["/places"], "stock": ROWS}
    server.headers["/both"] = {"ETag": '"1"'}
    keys = HTTP.format(url=server.url).replace("/places", "/both").replace("/quants", "/both")
    keys = keys.replace("items[].{location: at", "stock[].{location: at")
    source = make_source(settings_of(tmp_path, f'[source]\nkind = "http"\n{keys}'))
    for _ in range(2):
        assert lines_of(source)["A/1"].sku == "Tea"


WRAPPED: Mapping[str, tuple[Any, str]] = {
    "GraphQL, Relay": (
        {"data": {"locations": {"edges": ROWS, "pageInfo": {"hasNextPage": True, "endCursor": "x"}}}},
        "data.locations.edges",
    ),
    "GraphQL, a total": ({"data": {"locations": {"nodes": ROWS, "totalCount": 319}}}, "data.locations.nodes"),
    "SP-API": ({"payload": {"inventorySummaries": ROWS, "nextToken": "z"}}, "payload.inventorySummaries"),
    "an own name": ({"inventory": {"rows": ROWS, "total": 319}}, "inventory.rows"),
    "QuickBooks": ({"QueryResponse": {"Items": ROWS, "maxResults": 100, "totalCount": 319}}, "QueryResponse.Items"),
    "from SOAP": ({"Response": {"Result": {"Stock": {"items": ROWS}, "HasMore": True}}}, "Response.Result.Stock.items"),
    "in a list": ([{"items": ROWS, "total": 319}], "[0].items"),
}


@pytest.mark.parametrize(("page", "where"), WRAPPED.values(), ids=WRAPPED)
def test_what_is_said_on_the_way_to_the_list_is_heard_whatever_it_is_called(
    page: Any, where: str, tmp_path: Path, server: Web
) -> None:
    server.pages["/quants"] = page
    keys = HTTP.format(url=server.url).replace('"items[].{location: at', f'"{where}[].{{location: at')
    text = f'[source]\nkind = "http"\n{keys}'
    assert "/quants: says that there is more (" in _refused(make_source(settings_of(tmp_path, text)))
    whole = make_source(settings_of(tmp_path, f"{text}whole = true\n"))
    assert lines_of(whole)["A/1"].sku == "Tea"


ENDS_EARLY: Mapping[str, Mapping[str, Any]] = {
    "a total": {"total": 5},
    "pages": {"totalPages": 3},
    "both on the first page alone": {},
}


@pytest.mark.parametrize("said", ENDS_EARLY.values(), ids=ENDS_EARLY)
def test_pages_that_end_before_all_is_read_are_a_part(said: Mapping[str, Any], tmp_path: Path, server: Web) -> None:
    server.pages["/quants"] |= {"next": "/more", **(said or {"total": 5})}
    server.pages["/more"] = {"items": [{"at": "A-2", "item": "Juice", "n": 4}], "next": None, **said}
    refused = _refused(_source(tmp_path, server, 'following = "next"\n'))
    assert "/more: says that there is more (" in refused
    assert "2 pages with 3 rows were read" in refused
    server.pages["/more"] |= {"total": 3, "totalPages": 2}
    assert lines_of(_source(tmp_path, server, 'following = "next"\n'))["A-2"].sku == "Juice"


def test_a_range_of_the_last_page_that_does_not_reach_the_end_is_a_part(tmp_path: Path, server: Web) -> None:
    server.headers["/quants"] = {"Link": '</more>; rel="next"', "Content-Range": "items 0-1/5"}
    server.pages["/more"] = {"items": [{"at": "A-2", "item": "Juice", "n": 4}]}
    server.headers["/more"] = {"Content-Range": "items 2-2/5"}
    assert "'items 2-2/5'" in _refused(_source(tmp_path, server))
    server.headers["/more"] = {"Content-Range": "items 2-2/3"}
    assert lines_of(_source(tmp_path, server))["A-2"].sku == "Juice"


@pytest.mark.parametrize("depth", [30, 480, 900])
def test_what_is_nested_deep_is_a_line_and_no_traceback(depth: int, tmp_path: Path, server: Web) -> None:
    deep = '{"a":' * depth + '"x"' + "}" * depth
    rows = server.pages["/quants"]
    server.pages["/quants"] = f'{{"items": [], "next": {deep}}}'.encode()
    _refused(_source(tmp_path, server))
    server.pages["/quants"], server.headers["/quants"] = rows, {"X-Pagination": f'{{"next":{deep}}}'}
    _refused(_source(tmp_path, server))
