#include "http/edge/request_reader.hpp"

#include <algorithm>
#include <boost/beast/http/error.hpp>
#include <cstring>
#include <limits>

namespace calbridge::http {

namespace beast = boost::beast;
using BeastError = beast::http::error;

namespace {

/// RFC 3986 section 3.2: characters that a host with an optional port may have.
bool isHost(std::string_view host) {
  for (char c : host) {
    bool alphanumeric = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
    if (!alphanumeric && std::string_view("-._~%!$&'()*+;=:[]").find(c) == std::string_view::npos)
      return false;
  }
  return true;
}

/// True when a comma-separated list holds that token (RFC 9110 section 5.6.1).
bool listHas(std::string_view list, std::string_view token) {
  while (!list.empty()) {
    std::size_t comma = list.find(',');
    std::string_view item = list.substr(0, comma);
    list = comma == std::string_view::npos ? std::string_view{} : list.substr(comma + 1);
    while (!item.empty() && (item.front() == ' ' || item.front() == '\t'))
      item.remove_prefix(1);
    while (!item.empty() && (item.back() == ' ' || item.back() == '\t'))
      item.remove_suffix(1);
    if (equalIgnoringCase(item, token))
      return true;
  }
  return false;
}

bool containsChunked(std::string_view value) {
  for (std::size_t i = 0; i + 7 <= value.size(); ++i)
    if (equalIgnoringCase(value.substr(i, 7), "chunked"))
      return true;
  return false;
}

} // namespace

RequestReader::RequestReader(const ReaderLimits& limits, Request& request) : limits_(limits), request_(request) {
  buffer_.resize(limits_.header + 4096);
  next();
}

std::pair<char*, std::size_t> RequestReader::space() {
  if (begin_ > 0) {
    std::memmove(buffer_.data(), buffer_.data() + begin_, end_ - begin_);
    end_ -= begin_;
    scan_ -= std::min(scan_, begin_);
    lineStart_ -= std::min(lineStart_, begin_);
    begin_ = 0;
  }
  return {buffer_.data() + end_, buffer_.size() - end_};
}

RequestReader::State RequestReader::filled(std::size_t size) {
  end_ += size;
  return advance();
}

RequestReader::State RequestReader::next() {
  if (begin_ == end_)
    begin_ = end_ = 0;
  request_.method.clear();
  request_.target.clear();
  request_.path.clear();
  request_.query.clear();
  request_.headers.clear();
  request_.body.clear();
  if (request_.body.capacity() > 64 * 1024)
    request_.body.shrink_to_fit();
  parser_.emplace(*this);
  parser_->header_limit(static_cast<std::uint32_t>(buffer_.size()));
  parser_->body_limit(std::numeric_limits<std::uint64_t>::max() / 2);
  scan_ = lineStart_ = begin_;
  state_ = State::needHead;
  inHead_ = true;
  close_ = continue_ = false;
  return advance();
}

bool RequestReader::takeContinue() {
  bool wanted = continue_ && state_ == State::needBody && begin_ == end_;
  continue_ = false;
  return wanted;
}

RequestReader::State RequestReader::advance() {
  if (state_ == State::needHead && end_ > begin_)
    readHead();
  if (state_ == State::needBody && end_ > begin_)
    readBody();
  return state_;
}

/// Looks at complete lines only as far as line ends and folding go; everything else is the parser's.
bool RequestReader::findHeadEnd() {
  while (scan_ < end_) {
    const char* start = buffer_.data() + scan_;
    const auto* found = static_cast<const char*>(std::memchr(start, '\n', end_ - scan_));
    if (!found) {
      scan_ = end_;
      return false;
    }
    auto at = static_cast<std::size_t>(found - buffer_.data());
    scan_ = at + 1;
    if (at == lineStart_ || buffer_[at - 1] != '\r') {
      refuse(400, "malformed_request", "a header line ends without CR LF");
      return false;
    }
    bool emptyLine = at == lineStart_ + 1;
    bool folded = lineStart_ > begin_ && (buffer_[lineStart_] == ' ' || buffer_[lineStart_] == '\t');
    if (folded) {
      refuse(400, "malformed_request", "folded header lines are not accepted");
      return false;
    }
    if (emptyLine && lineStart_ == begin_) { // RFC 9112 section 2.2: an empty line before the request line is skipped
      begin_ = lineStart_ = scan_;
      continue;
    }
    lineStart_ = scan_;
    if (emptyLine)
      return true;
  }
  return false;
}

RequestReader::State RequestReader::readHead() {
  bool whole = findHeadEnd();
  if (state_ == State::refused)
    return state_;
  std::size_t size = (whole ? scan_ : end_) - begin_;
  if (!whole && lineStart_ == begin_ && size > limits_.target + 64)
    return refuse(414, "uri_too_long", "the request target is too long");
  if (size > limits_.header)
    return refuse(431, "headers_too_large", "the request's header is too large");
  if (!whole)
    return state_;

  Parser::Ec ec;
  std::size_t used = parser_->put(boost::asio::const_buffer(buffer_.data() + begin_, size), ec);
  if (state_ == State::refused)
    return state_;
  if (ec)
    return refuse(ec);
  if (!parser_->is_header_done() || used != size)
    return refuse(400, "malformed_request", "the request's header is malformed");
  begin_ += used;
  inHead_ = false;
  if (!checkHead())
    return state_;
  if (parser_->is_done()) {
    state_ = State::complete;
  } else {
    state_ = State::needBody;
    parser_->eager(true);
  }
  return state_;
}

RequestReader::State RequestReader::readBody() {
  // Beast 1.74 asserts that more than the last chunk's own line is there when it comes back to it. No chunked body ends
  // with less than "0", two line ends: fewer bytes can wait.
  if (parser_->chunked() && end_ - begin_ < 5)
    return state_;
  Parser::Ec ec;
  std::size_t used = parser_->put(boost::asio::const_buffer(buffer_.data() + begin_, end_ - begin_), ec);
  begin_ += used;
  if (state_ == State::refused)
    return state_;
  if (ec && ec != BeastError::need_more)
    return refuse(ec);
  if (parser_->is_done())
    return state_ = State::complete;
  if (end_ - begin_ >= limits_.header) // a chunk's own header or the trailer that never ends
    return refuse(400, "malformed_request", "a chunk header or trailer of the request's body is too large");
  return state_;
}

std::size_t RequestReader::takeBody(Parser::View body, Parser::Ec& ec) {
  if (request_.body.size() + body.size() > bodyLimit_) {
    refuse(413, "body_too_large", "the request's body is larger than this route accepts");
    ec = BeastError::body_limit;
    return 0;
  }
  request_.body.append(body.data(), body.size());
  return body.size();
}

void RequestReader::Parser::on_request_impl(beast::http::verb, View method, View target, int version, Ec&) {
  reader_.request_.method.assign(method.data(), method.size());
  reader_.request_.target.assign(target.data(), target.size());
  reader_.version_ = version;
}

void RequestReader::Parser::on_field_impl(beast::http::field, View name, View value, Ec& ec) {
  if (!reader_.inHead_)
    return; // trailers are read and dropped (RFC 9110 section 6.5.1)
  if (reader_.request_.headers.size() >= reader_.limits_.fields) {
    reader_.refuse(431, "headers_too_large", "the request has too many header fields");
    ec = BeastError::header_limit;
    return;
  }
  reader_.request_.headers.add({name.data(), name.size()}, {value.data(), value.size()});
}

bool RequestReader::checkHead() {
  if (!checkFraming() || !checkTarget())
    return false;
  const Headers& headers = request_.headers;
  std::string_view connection = headers.get("Connection");
  close_ = version_ == 10 ? !listHas(connection, "keep-alive") : listHas(connection, "close");
  bodyLimit_ = limits_.body ? limits_.body(RequestHead{request_.method, request_.path, headers}) : 1024 * 1024;
  if (auto length = parser_->content_length(); length && *length > bodyLimit_) {
    refuse(413, "body_too_large", "the request's body is larger than this route accepts");
    return false;
  }
  if (auto expectation = headers.find("Expect"); expectation && version_ == 11) {
    if (!equalIgnoringCase(*expectation, "100-continue")) {
      refuse(417, "expectation_failed", "the only expectation that is met is 100-continue");
      return false;
    }
    continue_ = true;
  }
  return true;
}

bool RequestReader::checkFraming() {
  const Headers& headers = request_.headers;
  std::size_t hosts = 0, lengths = 0, codings = 0;
  std::string_view host, length, coding;
  for (std::size_t i = 0; i < headers.size(); ++i) {
    auto [name, value] = headers.at(i);
    if (equalIgnoringCase(name, "Host")) {
      ++hosts;
      host = value;
    } else if (equalIgnoringCase(name, "Content-Length")) {
      ++lengths;
      length = value;
    } else if (equalIgnoringCase(name, "Transfer-Encoding")) {
      ++codings;
      coding = value;
    }
    for (char c : value)
      if ((static_cast<unsigned char>(c) < 0x20 && c != '\t') || c == 0x7F) {
        refuse(400, "malformed_request", "a header field holds a control character");
        return false;
      }
  }
  const char* wrong = nullptr;
  if (hosts > 1)
    wrong = "the request has more than one Host header";
  else if (hosts == 0 && version_ == 11)
    wrong = "the request has no Host header";
  else if (!isHost(host))
    wrong = "the Host header is malformed";
  else if (lengths > 1)
    wrong = "the request has more than one Content-Length header";
  else if (length.find_first_not_of("0123456789") != std::string_view::npos)
    wrong = "the Content-Length header is not a number"; // Beast takes "3, 3"
  else if (codings > 1 || (codings == 1 && (lengths > 0 || version_ == 10)))
    wrong = "the request's length is told in more than one way";
  else if (codings == 1 && !equalIgnoringCase(coding, "chunked") && (containsChunked(coding) || coding.empty()))
    wrong = "the only Transfer-Encoding that is accepted is chunked";
  if (wrong) {
    refuse(400, "malformed_request", wrong);
    return false;
  }
  if (codings == 1 && !equalIgnoringCase(coding, "chunked")) {
    refuse(501, "unsupported_transfer_encoding", "the only Transfer-Encoding that is accepted is chunked");
    return false;
  }
  return true;
}

bool RequestReader::checkTarget() {
  std::string& target = request_.target;
  if (target.size() > limits_.target) {
    refuse(414, "uri_too_long", "the request target is too long");
    return false;
  }
  if (request_.method == "CONNECT") {
    refuse(501, "unsupported_method", "this server is no proxy");
    return false;
  }
  for (std::string_view scheme : {"http://", "https://"}) // absolute form, RFC 9112 section 3.2.2
    if (target.size() > scheme.size() && equalIgnoringCase(std::string_view(target).substr(0, scheme.size()), scheme)) {
      std::size_t slash = target.find_first_of("/?", scheme.size());
      target = slash == std::string::npos ? "/" : (target[slash] == '?' ? "/" : "") + target.substr(slash);
      break;
    }
  request_.segments.clear();
  const std::string_view whole = target;
  if (whole == "*" && request_.method == "OPTIONS") {
    request_.path = "*";
    return true;
  }
  std::size_t question = whole.find('?');
  std::string_view rawPath = whole.substr(0, question);
  if (question != std::string_view::npos)
    request_.query = whole.substr(question + 1);
  bool fine = !rawPath.empty() && rawPath.front() == '/' && rawPath.find('#') == std::string_view::npos &&
              request_.query.find('#') == std::string::npos;
  if (fine) {
    std::string_view rest = rawPath.substr(1);
    while (fine && !rest.empty()) {
      std::size_t slash = rest.find('/');
      auto segment = percentDecode(rest.substr(0, slash));
      rest = slash == std::string_view::npos ? std::string_view{} : rest.substr(slash + 1);
      fine = segment && *segment != "." && *segment != "..";
      if (fine) {
        request_.path += '/';
        request_.path += *segment;
        request_.segments.push_back(std::move(*segment));
      }
    }
    if (rawPath.back() == '/')
      request_.path += '/';
  }
  if (!fine || (!request_.query.empty() && !parseForm(request_.query))) {
    refuse(400, "malformed_target", "the request target is malformed");
    return false;
  }
  return true;
}

RequestReader::State RequestReader::refuse(int status, const char* code, const char* detail) {
  if (state_ != State::refused) // the first reason counts
    refusal_ = Refusal{status, code, detail};
  return state_ = State::refused;
}

RequestReader::State RequestReader::refuse(const Parser::Ec& ec) {
  std::string_view line(buffer_.data() + begin_, end_ - begin_);
  line = line.substr(0, line.find('\r'));
  bool versioned = line.size() > 9 && line.substr(line.size() - 9, 6) == " HTTP/" && line[line.size() - 2] == '.' &&
                   std::count(line.begin(), line.end(), ' ') == 2;
  if (ec == BeastError::bad_version && inHead_ && versioned)
    return refuse(505, "unsupported_version", "the request is neither of HTTP version 1.1 nor 1.0");
  if (ec == BeastError::header_limit)
    return refuse(431, "headers_too_large", "the request's header is too large");
  if (ec == BeastError::bad_content_length || ec == BeastError::bad_transfer_encoding)
    return refuse(400, "malformed_request", "the request's length is malformed or told in more than one way");
  if (ec == BeastError::bad_chunk || ec == BeastError::bad_chunk_extension)
    return refuse(400, "malformed_request", "a chunk of the request's body is malformed");
  return refuse(400, "malformed_request", "the request is malformed");
}

} // namespace calbridge::http
