#include "store/postgresql/libpq.hpp"
#include "core/error.hpp"

#include <dlfcn.h>
#include <string>

namespace calbridge::store::postgresql {
namespace {

/// The interface that its header describes, by the name that no other one may have.
constexpr const char* kFile = "libpq.so.5";

Error cannotLoad() {
  const char* reason = ::dlerror();
  return {"store_unavailable", std::string("PostgreSQL's client library cannot be loaded: ") +
                                   (reason != nullptr ? reason : "no reason was given") +
                                   ". Install the package libpq5, or name an SQLite file in storage.url."};
}

template <typename Function>
void find(void* library, const char* name, Function& function) {
  void* const address = ::dlsym(library, name);
  if (address == nullptr)
    throw cannotLoad();
  function = reinterpret_cast<Function>(address);
}

LibPq load() {
  void* const library = ::dlopen(kFile, RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr)
    throw cannotLoad();
  LibPq pq{};
  find(library, "PQclear", pq.clear);
  find(library, "PQcmdStatus", pq.cmdStatus);
  find(library, "PQcmdTuples", pq.cmdTuples);
  find(library, "PQconnectdb", pq.connectdb);
  find(library, "PQerrorMessage", pq.errorMessage);
  find(library, "PQexec", pq.exec);
  find(library, "PQexecPrepared", pq.execPrepared);
  find(library, "PQfinish", pq.finish);
  find(library, "PQgetResult", pq.getResult);
  find(library, "PQgetisnull", pq.getisnull);
  find(library, "PQgetlength", pq.getlength);
  find(library, "PQgetvalue", pq.getvalue);
  find(library, "PQntuples", pq.ntuples);
  find(library, "PQprepare", pq.prepare);
  find(library, "PQputCopyData", pq.putCopyData);
  find(library, "PQputCopyEnd", pq.putCopyEnd);
  find(library, "PQresultErrorField", pq.resultErrorField);
  find(library, "PQresultStatus", pq.resultStatus);
  find(library, "PQsetNoticeProcessor", pq.setNoticeProcessor);
  find(library, "PQstatus", pq.status);
  return pq;
}

} // namespace

const LibPq& libpq() {
  static const LibPq kLoaded = load();
  return kLoaded;
}

} // namespace calbridge::store::postgresql
