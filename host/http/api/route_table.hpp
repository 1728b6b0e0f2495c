#pragma once
#include "http/auth/authenticator.hpp"
#include "http/edge/request.hpp"
#include "http/edge/response.hpp"

#include <functional>
#include <map>
#include <string>
#include <vector>

namespace calbridge::http {

/// Who may call a route. What a caller may see beyond that is the resource's matter: somebody else's data is 404.
enum class Access {
  open,
  link, ///< whoever knows the secret in its path, from any site: no cookie counts, so none can be abused
  app,
  person,
  admin,
};

/// One request on its way through its route.
struct Exchange {
  Request& request;
  const Identity& identity;
  std::map<std::string, std::string> parameters; ///< of the pattern: "{id}" → value

  const std::string& parameter(const std::string& name) const { return parameters.at(name); }
  /// The person who asks; only on routes with Access::person or Access::admin.
  const Person& person() const { return *identity.person; }
};

struct Route {
  std::string method;
  std::string pattern; ///< "/api/people/{id}/"; a trailing slash is optional in requests
  Access access = Access::open;
  std::function<Response(Exchange&)> handle;
};

/// All routes of the API. Filled at start, then only read.
class RouteTable {
 public:
  void add(std::string method, std::string pattern, Access access, std::function<Response(Exchange&)> handle);

  struct Match {
    const Route* route = nullptr;
    std::map<std::string, std::string> parameters;
    std::string allowed; ///< methods of the path, for 405 and Allow, when no route has this method
  };
  Match find(const Request& request) const;
  const std::vector<Route>& routes() const { return routes_; }

 private:
  struct Pattern {
    std::vector<std::string> segments;
  };
  std::vector<Route> routes_;
  std::vector<Pattern> patterns_;
};

} // namespace calbridge::http
