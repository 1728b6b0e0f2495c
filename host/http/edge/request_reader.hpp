#pragma once
#include "http/edge/request.hpp"

#include <boost/beast/http/basic_parser.hpp>
#include <cstddef>
#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace calbridge::http {

/// Why a request is not served: answered once as a problem, then the connection ends.
struct Refusal {
  int status = 400;
  const char* code = "";
  const char* detail = "";
};

struct ReaderLimits {
  std::size_t header = 16 * 1024; ///< request line and fields together
  std::size_t target = 8 * 1024;
  std::size_t fields = 100;
  /// Largest body of this request in bytes.
  std::function<std::size_t(const RequestHead&)> body;
};

/// Turns the bytes of one connection into requests (RFC 9112) with Boost.Beast's parser, and refuses what that lets
/// through: missing or repeated Host, folded lines, repeated Content-Length, any Transfer-Encoding but "chunked". Does
/// no input or output: the connection fills `space()` and calls `filled()`. Not thread-safe.
class RequestReader {
 public:
  enum class State { needHead, needBody, complete, refused };

  RequestReader(const ReaderLimits& limits, Request& request);

  /// Where the next bytes go. Never empty while the state is needHead or needBody.
  std::pair<char*, std::size_t> space();
  /// Takes `size` new bytes at the place that space() gave.
  State filled(std::size_t size);
  /// Forgets the finished request and begins the next, which may already be here as a whole (pipelining).
  State next();

  State state() const { return state_; }
  const Refusal& refusal() const { return refusal_; }
  /// Have any bytes of the current request come?
  bool started() const { return end_ > begin_ || state_ != State::needHead; }
  /// The request asks to end the connection after its answer (RFC 9112 section 9.6).
  bool wantsClose() const { return close_; }
  /// Once true per request: the client waits for "100 Continue" before it sends the body.
  bool takeContinue();

 private:
  class Parser final : public boost::beast::http::basic_parser<true> {
   public:
    using Ec = boost::beast::error_code;
    using View = boost::beast::string_view;
    explicit Parser(RequestReader& reader) : reader_(reader) {}

   private:
    void on_request_impl(boost::beast::http::verb, View method, View target, int version, Ec& ec) override;
    void on_response_impl(int, View, int, Ec&) override {}
    void on_field_impl(boost::beast::http::field, View name, View value, Ec& ec) override;
    void on_header_impl(Ec&) override {}
    void on_body_init_impl(const boost::optional<std::uint64_t>&, Ec&) override {}
    std::size_t on_body_impl(View body, Ec& ec) override { return reader_.takeBody(body, ec); }
    void on_chunk_header_impl(std::uint64_t, View, Ec&) override {}
    std::size_t on_chunk_body_impl(std::uint64_t, View body, Ec& ec) override { return reader_.takeBody(body, ec); }
    void on_finish_impl(Ec&) override {}
    RequestReader& reader_;
  };

  State advance();
  bool findHeadEnd();
  State readHead();
  State readBody();
  bool checkHead();
  bool checkFraming();
  bool checkTarget();
  std::size_t takeBody(Parser::View body, Parser::Ec& ec);
  State refuse(int status, const char* code, const char* detail);
  State refuse(const Parser::Ec& ec);

  const ReaderLimits& limits_;
  Request& request_;
  std::vector<char> buffer_;
  std::size_t begin_ = 0; ///< first byte that no parser has consumed
  std::size_t end_ = 0;   ///< behind the last byte received
  std::size_t scan_ = 0;  ///< how far the end of the head was looked for
  std::size_t lineStart_ = 0;
  std::optional<Parser> parser_;
  State state_ = State::needHead;
  Refusal refusal_;
  std::size_t bodyLimit_ = 0;
  int version_ = 11;
  bool inHead_ = true;
  bool close_ = false;
  bool continue_ = false;
};

} // namespace calbridge::http
