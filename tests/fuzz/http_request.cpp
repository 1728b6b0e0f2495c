/// The bytes of one connection, as the edge reads them. The first byte chooses how they arrive, the rest is what a
/// client sends.
///
/// Invariants: a stream read in pieces gives the same requests as read whole, and is refused or not alike; what is
/// accepted holds nothing that later code must be able to rely on not being there; and a request that is accepted,
/// written down again and sent to another reader is the same request, alone on its connection.
#include "fuzz/target.hpp"
#include "http/edge/request_reader.hpp"

#include <algorithm>
#include <cstring>

namespace calbridge::fuzz {
namespace {

using http::Request;
using http::RequestReader;
using State = RequestReader::State;

constexpr std::size_t kBodyLimit = 2048;

struct Seen {
  std::vector<Request> requests;
  std::vector<bool> closes;
  bool refused = false;
  int status = 0;
};

/// Feeds the stream; `piece` says how large the next piece is at most.
template <typename Piece>
Seen read(std::string_view stream, const http::ReaderLimits& limits, Piece piece) {
  Seen seen;
  Request request;
  RequestReader reader(limits, request);
  while (true) {
    while (reader.state() == State::complete) {
      seen.requests.push_back(request);
      seen.closes.push_back(reader.wantsClose());
      reader.next();
    }
    if (reader.state() == State::refused) {
      const http::Refusal& refusal = reader.refusal();
      require(refusal.status >= 400 && refusal.status <= 599 && *refusal.code != '\0' && *refusal.detail != '\0',
              "a refusal has a status of an error, a code and a reason", std::to_string(refusal.status));
      seen.refused = true;
      seen.status = refusal.status;
      return seen;
    }
    if (stream.empty())
      return seen;
    const auto [to, room] = reader.space();
    require(room > 0, "there is room while a request is unfinished");
    const std::size_t size = std::min({room, stream.size(), std::max<std::size_t>(piece(), 1)});
    std::memcpy(to, stream.data(), size);
    stream.remove_prefix(size);
    reader.filled(size);
    reader.takeContinue();
  }
}

void check(const Request& request, const http::ReaderLimits& limits) {
  const auto& headers = request.headers;
  require(!request.method.empty() && request.method.find_first_of(" \r\n\t") == std::string::npos,
          "the method is one word", request.method);
  require(request.path == "*" || request.path.starts_with('/'), "the path begins with a slash", request.path);
  require(!hasControls(request.path) && isUtf8(request.path), "the path is UTF-8 without controls", request.path);
  require(request.query.find('#') == std::string::npos && !hasControls(request.query), "the query is clean",
          request.query);
  require(request.target.size() <= limits.target, "the target keeps its limit");
  require(headers.size() <= limits.fields, "the number of fields keeps its limit");
  require(request.body.size() <= kBodyLimit, "the body keeps its limit");
  std::string path;
  for (const std::string& segment : request.segments) {
    require(segment != "." && segment != "..", "no segment leads elsewhere", request.path);
    path += "/" + segment;
  }
  require(request.path == "*" || path == request.path || path + "/" == request.path,
          "the path is its segments and the slashes between them", request.path);
  for (const char* once : {"Host", "Content-Length", "Transfer-Encoding"})
    require(headers.all(once).size() <= 1, "what decides about a request is there once", once);
  require(headers.all("Content-Length").empty() || headers.all("Transfer-Encoding").empty(),
          "the length is told in one way");
  for (std::size_t i = 0; i < headers.size(); ++i) {
    const auto [name, value] = headers.at(i);
    require(!name.empty() && name.find_first_of(" \t:\r\n") == std::string_view::npos, "a field's name is a token",
            name);
    require(!hasControls(value, "\t"), "a field's value holds no controls", value);
  }
}

/// The request as a client would send it that knows its length.
std::string written(const Request& request) {
  std::string out = request.method + " " + request.target + " HTTP/1.1\r\n";
  bool host = false;
  for (std::size_t i = 0; i < request.headers.size(); ++i) {
    const auto [name, value] = request.headers.at(i);
    if (http::equalIgnoringCase(name, "Content-Length") || http::equalIgnoringCase(name, "Transfer-Encoding") ||
        http::equalIgnoringCase(name, "Expect"))
      continue;
    host = host || http::equalIgnoringCase(name, "Host");
    out.append(name).append(": ").append(value).append("\r\n");
  }
  if (!host)
    out += "Host: x\r\n"; // HTTP/1.0 does without
  out += "Content-Length: " + std::to_string(request.body.size()) + "\r\n\r\n" + request.body;
  return out;
}

bool same(const Request& a, const Request& b) {
  return a.method == b.method && a.path == b.path && a.segments == b.segments && a.query == b.query && a.body == b.body;
}

} // namespace

void run(std::string_view input) {
  const unsigned mode = input.empty() ? 0 : static_cast<unsigned char>(input.front());
  input.remove_prefix(std::min<std::size_t>(input.size(), 1));

  // Small limits are reached by small inputs. There, who is refused first depends on what came together.
  const bool small = mode % 2 == 1;
  http::ReaderLimits limits;
  limits.body = [](const http::RequestHead&) { return kBodyLimit; };
  if (small) {
    limits.header = 256;
    limits.target = 96;
    limits.fields = 6;
  }
  const Seen whole = read(input, limits, [] { return std::size_t{1} << 20; });
  std::uint32_t state = mode * 2654435761U + 1;
  const Seen pieces = read(input, limits, [&] {
    state = state * 1664525U + 1013904223U;
    return mode < 32 ? std::size_t{1} : std::size_t{state >> 24} % (mode / 8);
  });
  for (const Seen* seen : {&whole, &pieces})
    for (const Request& request : seen->requests)
      check(request, limits);
  if (small)
    return;

  require(whole.requests.size() == pieces.requests.size() && whole.refused == pieces.refused &&
              whole.status == pieces.status,
          "pieces and whole give as many requests, and the same refusal",
          std::to_string(whole.requests.size()) + "/" + std::to_string(whole.status) + ", in pieces " +
              std::to_string(pieces.requests.size()) + "/" + std::to_string(pieces.status));
  for (std::size_t i = 0; i < whole.requests.size(); ++i) {
    const Request& request = whole.requests[i];
    require(same(request, pieces.requests[i]) && whole.closes[i] == pieces.closes[i],
            "pieces and whole give the same request", request.target);
    const std::string text = written(request);
    if (text.size() > limits.header)
      continue;
    const Seen again = read(text, limits, [] { return std::size_t{1} << 20; });
    require(!again.refused && again.requests.size() == 1, "what was accepted is accepted again, as one request", text);
    require(same(request, again.requests[0]), "what was accepted means the same when it is sent again", text);
  }
}

} // namespace calbridge::fuzz
