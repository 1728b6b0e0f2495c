#pragma once
#include "core/error.hpp"
#include "http/edge/response.hpp"

namespace calbridge::http {

/// The HTTP status of an error code; 500 for codes that are not meant for clients.
int statusOf(const std::string& code);
/// RFC 9457 problem details for the error. For 500s the message is replaced: it goes to the log only.
Response errorResponse(const Error& error);

} // namespace calbridge::http
