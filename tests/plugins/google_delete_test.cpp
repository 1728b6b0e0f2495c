#include "plugins/google_fixture.hpp"

using namespace calbridge::testing;

TEST_CASE("deleting a known entry is one request, and fine when it is gone") {
  Google host;
  const int http = GENERATE(204, 200, 404, 410);
  host.expect("DELETE", deleteUrl("known"), http, http >= 400 ? errorJson(http, "deleted") : "");
  CHECK(host.push(deleteJson("known")).status == "ok");
}

TEST_CASE("a delete that did not work is no success") {
  Google host;
  host.expect("DELETE", deleteUrl("known"), 503);
  CHECK(host.push(deleteJson("known")).status == "transient");
  host.expect("DELETE", deleteUrl("known"), 401, errorJson(401, "authError"));
  CHECK(host.push(deleteJson("known")).status == "reauth_required");
}

TEST_CASE("an entry whose creation was never recorded is found by its id and deleted only if it is ours") {
  Google host;
  SECTION("ours") {
    host.expect("GET", readUrl(kId0), 200, seenJson(kId0, "confirmed"));
    host.expect("DELETE", deleteUrl(kId0), 204);
  }
  SECTION("never made") {
    host.expect("GET", readUrl(kId0), 404, errorJson(404, "notFound"));
  }
  CHECK(host.push(deleteJson()).status == "ok");
}

TEST_CASE("a first id that is deleted or somebody else's is no reason not to look at the next") {
  Google host;
  const std::string first = GENERATE(seenJson(kId0, "cancelled"), seenJson(kId0, "confirmed", "other"));
  // What the second id is, an insert tells.
  host.expect("POST", insertUrl(), 409, errorJson(409, "duplicate"));
  host.expect("GET", readUrl(kId0), 404);
  host.expect("POST", insertUrl(), 200, eventJson("x"));
  host.push(upsertJson());
  const std::string second = host.requests.back().json()["id"];

  host.expect("GET", readUrl(kId0), 200, first);
  host.expect("GET", readUrl(second), 200, seenJson(second, "confirmed"));
  host.expect("DELETE", deleteUrl(second), 204);
  CHECK(host.push(deleteJson()).status == "ok");
}

TEST_CASE("an entry that is to say cancelled is deleted") {
  Google host;
  Json request = upsertJson("known", "\"1\"");
  request["entry"]["status"] = "cancelled";
  host.expect("DELETE", deleteUrl("known"), 204);
  const Outcome out = host.push(request);
  CHECK(out.status == "ok");
  CHECK(out.body["provider_event_id"] == "known");
}

TEST_CASE("an entry that says cancelled from the start is none, and still has the id that it would get") {
  Google host;
  Json request = upsertJson();
  request["entry"]["status"] = "cancelled";
  host.expect("GET", readUrl(kId0), 404, errorJson(404, "notFound"));
  const Outcome out = host.push(request);
  CHECK(out.status == "ok");
  CHECK(out.body["provider_event_id"] == kId0);
}
