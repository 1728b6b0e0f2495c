#pragma once
#include "http/api/route_table.hpp"
#include "http/auth/login_throttle.hpp"
#include "http/services.hpp"

namespace calbridge::http {

/// POST /api/calendar/{provider}/connect/ with {"credentials": {…}}, for a provider that people connect to by filling
/// in a form. 200 {"connected": true, "account": …}, or a problem whose pointer names the input that it is about;
/// neither shows anything of what was typed but what the provider's own message says of server and user. `throttle`
/// slows down the guessing of passwords, and of servers, by the person who asks. Errors as PasswordFlow::connect,
/// invalid_field.
Response connectByForm(Services& services, LoginThrottle& throttle, Exchange& exchange, const Provider& provider);

} // namespace calbridge::http
