#include "http/web/page_headers.hpp"

namespace calbridge::http {
namespace {

// Script, style and pictures are files of ours; nothing is inline, nothing comes from elsewhere.
constexpr const char* kContentPolicy =
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

} // namespace

Response personalPageHeaders(Response response) {
  response.header("Cache-Control", "no-store");
  response.header("Content-Security-Policy", kContentPolicy);
  // Not no-referrer: with that, browsers send "Origin: null" with our own forms.
  response.header("Referrer-Policy", "same-origin");
  response.header("Cross-Origin-Opener-Policy", "same-origin");
  response.header("Cross-Origin-Resource-Policy", "same-origin");
  response.header("X-Frame-Options", "DENY");
  return response;
}

} // namespace calbridge::http
