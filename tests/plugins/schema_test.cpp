#include "google/mapping.hpp"
#include "outlook/mapping.hpp"
#include "plugins/mapping_fixture.hpp"

#include <catch2/catch.hpp>
#include <fstream>
#include <functional>
#include <valijson/adapters/nlohmann_json_adapter.hpp>
#include <valijson/schema.hpp>
#include <valijson/schema_parser.hpp>
#include <valijson/validator.hpp>

using namespace calbridge;
using namespace calbridge::testing;
using Json = nlohmann::json;

namespace {

class Schema {
 public:
  explicit Schema(const std::string& name) {
    std::ifstream file(std::string(CALBRIDGE_SOURCE_DIR) + "/tests/plugins/schemas/" + name);
    const Json json = Json::parse(file);
    valijson::SchemaParser().populateSchema(valijson::adapters::NlohmannJsonAdapter(json), schema_);
  }
  /// What is wrong with the document, empty when nothing is.
  std::string problems(const std::string& text) const {
    const Json json = Json::parse(text);
    valijson::ValidationResults results;
    valijson::Validator().validate(schema_, valijson::adapters::NlohmannJsonAdapter(json), &results);
    std::string out;
    for (valijson::ValidationResults::Error error; results.popError(error);) {
      for (const std::string& part : error.context) {
        out += part;
      }
      out += ": " + error.description + "\n";
    }
    return out;
  }

 private:
  valijson::Schema schema_;
};

void forEveryKindOfEntry(const std::function<void(const sdk::PushRequest&)>& visit) {
  for (auto request : {fullRequest(), allDayRequest()}) {
    for (const char* visibility : {"default", "public", "private", "confidential", ""}) {
      for (const char* status : {"confirmed", "tentative"}) {
        for (const char* show : {"busy", "free"}) {
          for (const auto& reminders : {std::vector<int>{}, {0}, {1, 2, 3, 4, 5, 6, 525600}}) {
            for (const char* url : {"", "https://x/", "javascript:x"}) {
              request.entry.visibility = visibility;
              request.entry.status = status;
              request.entry.showAs = show;
              request.entry.reminders = reminders;
              request.entry.url = url;
              visit(request);
            }
          }
        }
      }
    }
  }
}

} // namespace

TEST_CASE("every Google body fits Google's own description of an event") {
  const Schema schema("google_event.json");
  forEveryKindOfEntry([&](const sdk::PushRequest& request) {
    CHECK(schema.problems(google::eventBody(request)) == "");
    CHECK(schema.problems(google::eventBody(request, google::eventId(request.uid, request.idempotencyKey, 1))) == "");
  });
}

TEST_CASE("every Outlook body fits Graph's own description of an event") {
  const Schema schema("graph_event.json");
  forEveryKindOfEntry([&](const sdk::PushRequest& request) {
    CHECK(schema.problems(outlook::eventBody(request)) == "");
    CHECK(schema.problems(outlook::eventBody(request, outlook::transactionId(request.idempotencyKey, 1))) == "");
  });
}

TEST_CASE("the schemas do refuse what the providers would") {
  const Schema google("google_event.json");
  CHECK(google.problems(R"({"start":{"date":"2026-12-01"},"end":{"date":"2026-12-02"}})") == "");
  CHECK(google.problems(R"({"start":{"date":"2026-12-01"}})") != "");
  CHECK(google.problems(R"({"start":{"date":"1 Dec"},"end":{"date":"2026-12-02"}})") != "");
  CHECK(google.problems(R"({"id":"x-y-z","start":{"date":"2026-12-01"},"end":{"date":"2026-12-02"}})") != "");
  CHECK(google.problems(R"({"attendees":[],"start":{"date":"2026-12-01"},"end":{"date":"2026-12-02"}})") != "");
  const Schema graph("graph_event.json");
  const std::string times =
      R"("start":{"dateTime":"2026-12-01T09:00:00","timeZone":"UTC"},"end":{"dateTime":"2026-12-01T10:00:00","timeZone":"UTC"})";
  CHECK(graph.problems("{\"subject\":\"x\"," + times + "}") == "");
  CHECK(graph.problems("{\"subject\":7," + times + "}") != "");
  CHECK(graph.problems("{\"subject\":\"x\",\"showAs\":\"hidden\"," + times + "}") != "");
  CHECK(graph.problems("{\"subject\":\"x\",\"attendees\":[]," + times + "}") != "");
}
