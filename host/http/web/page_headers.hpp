#pragma once
#include "http/edge/response.hpp"

namespace calbridge::http {

/// Adds the headers of everything that is about one person or may be: not stored, not framed, no script, style or
/// picture but ours, no address passed on to others.
Response personalPageHeaders(Response response);

} // namespace calbridge::http
